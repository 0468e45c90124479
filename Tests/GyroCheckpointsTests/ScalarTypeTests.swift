import CGyroKernels
import GyroCheckpoints
import Testing

@Suite("Scalar types")
struct ScalarTypeTests {
  static let narrow: [(ScalarType, gyro_scalar_type)] = [
    (.float16, gyro_float16), (.bfloat16, gyro_bfloat16), (.float8E4M3, gyro_float8_e4m3),
    (.float8E5M2, gyro_float8_e5m2), (.float8E8M0, gyro_float8_e8m0),
  ]

  private func decode(_ type: ScalarType, _ codes: [UInt16]) -> [Float] {
    [Float](unsafeUninitializedCapacity: codes.count) { buffer, count in
      if type.byteCount == 1 {
        type.decode(codes.map { UInt8($0) }, count: codes.count, into: buffer.baseAddress!)
      } else {
        type.decode(codes, count: codes.count, into: buffer.baseAddress!)
      }
      count = codes.count
    }
  }

  private func encode(_ type: ScalarType, _ values: [Float]) -> [UInt16] {
    var wide = [UInt16](repeating: 0, count: values.count)
    if type.byteCount == 2 {
      #expect(type.encode(values, count: values.count, into: &wide) == nil)
      return wide
    }
    var bytes = [UInt8](repeating: 0, count: values.count)
    #expect(type.encode(values, count: values.count, into: &bytes) == nil)
    return bytes.map(UInt16.init)
  }

  private func same(_ a: Float, _ b: Float) -> Bool {
    a.bitPattern == b.bitPattern || (a.isNaN && b.isNaN)
  }

  @Test(
    "Every code of a narrow type decodes as defined, and encodes back to itself", arguments: 0..<5)
  func everyCode(_ place: Int) {
    let (type, kernelType) = Self.narrow[place]
    let codes = (0..<(1 << (8 * type.byteCount))).map { UInt16($0) }
    let values = decode(type, codes)
    let back = encode(type, values)
    var wrong: [UInt16] = []
    for code in codes {
      let value = values[Int(code)]
      let definition = gyro_reference_code_to_float(UInt32(code), kernelType)
      let returns = value.isNaN || back[Int(code)] == code
      if !same(value, definition) || !returns { wrong.append(code) }
    }
    #expect(wrong.isEmpty, "\(type): \(wrong.prefix(5))")
  }

  @Test("Values between two codes go to the nearer one, halves to the even one", arguments: 0..<5)
  func rounding(_ place: Int) {
    let (type, kernelType) = Self.narrow[place]
    let codes = (0..<(1 << (8 * type.byteCount))).map { UInt16($0) }
    let finite = Set(decode(type, codes).filter(\.isFinite)).sorted()
    var probes: [Float] = [
      0, -0.0, .infinity, -.infinity, .greatestFiniteMagnitude, .leastNonzeroMagnitude,
      -.leastNonzeroMagnitude,
    ]
    for (low, high) in zip(finite, finite.dropFirst()) {
      let middle = Float((Double(low) + Double(high)) / 2)
      probes += [middle.nextDown, middle, middle.nextUp, low.nextUp, high.nextDown]
    }
    let encoded = encode(type, probes)
    let wrong = zip(probes, encoded).filter {
      gyro_reference_float_to_code($0, kernelType) != UInt32($1)
    }
    #expect(wrong.isEmpty, "\(type): \(wrong.prefix(5))")
  }

  #if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
    @Test("F16 agrees with the language's Float16 on every code, NaNs included")
    func languageHalf() {
      let values = decode(.float16, (0...UInt16.max).map { $0 })
      let wrong = values.indices.filter { code in
        let expected = Float(Float16(bitPattern: UInt16(code)))
        return !same(values[code], expected)
      }
      #expect(wrong.isEmpty)
    }
  #endif

  @Test("Overflow, infinity and NaN follow the rules stated for each type")
  func edges() {
    let values: [Float] = [.infinity, -.infinity, .nan, 1e9, 464, 465, 65520, 65519.996, 3.4e38]
    #expect(
      encode(.float16, values)
        == [0x7C00, 0xFC00, 0x7E00, 0x7C00, 0x5F40, 0x5F44, 0x7C00, 0x7BFF, 0x7C00])
    #expect(encode(.float8E4M3, values) == [0x7E, 0xFE, 0x7F, 0x7E, 0x7E, 0x7E, 0x7E, 0x7E, 0x7E])
    #expect(encode(.float8E5M2, values) == [0x7C, 0xFC, 0x7E, 0x7C, 0x5F, 0x5F, 0x7C, 0x7C, 0x7C])
    #expect(
      encode(.bfloat16, [.infinity, .nan, .greatestFiniteMagnitude]) == [0x7F80, 0x7FC0, 0x7F80])
    let powers: [Float] = [.infinity, .nan, -1, 0, -0.0, 3.4e38, 1.5, 1.25, 0x1.8p-127, 0x1p-149]
    #expect(encode(.float8E8M0, powers) == [254, 255, 255, 0, 0, 254, 128, 127, 1, 0])
    #expect(encode(.float8E5M2, [61439, 61440]) == [0x7B, 0x7C])
  }

  @Test("F64 rounds to the nearest Float32 and comes back unchanged")
  func doubles() {
    let doubles = [
      1.0, 0.1, -1e300, Double(sign: .plus, exponent: -1030, significand: 1), 0x1.000001p0,
      0x1.000003p0,
    ]
    var floats = [Float](repeating: 0, count: doubles.count)
    ScalarType.float64.decode(doubles, count: doubles.count, into: &floats)
    #expect(floats == [1, 0.1, -.infinity, 0, 1, 0x1.000004p0])
    var back = [Double](repeating: 0, count: doubles.count)
    #expect(ScalarType.float64.encode(floats, count: floats.count, into: &back) == nil)
    #expect(back == floats.map(Double.init))
  }

  @Test("Integer types take exactly the whole numbers they hold")
  func integers() {
    func taken(_ type: ScalarType, _ values: [Float]) -> [Bool] {
      values.map { value in
        var room: UInt64 = 0
        return type.encode([value], count: 1, into: &room) == nil
      }
    }
    let values: [Float] = [-129, -128, -1, 0, 1, 127, 128, 255, 256, 0.5, .nan, .infinity]
    #expect(
      taken(.int8, values)
        == [false, true, true, true, true, true, false, false, false, false, false, false])
    #expect(
      taken(.uint8, values)
        == [false, false, false, true, true, true, true, true, false, false, false, false])
    #expect(
      taken(.bool, values)
        == [false, false, false, true, true, false, false, false, false, false, false, false])
    #expect(taken(.uint64, [0x1p64, 0x1.fffffep63]) == [false, true])
    #expect(taken(.int64, [-0x1p63, 0x1p63]) == [true, false])
  }

  @Test("Bulk conversion does not depend on where a number stands")
  func bulk() {
    let count = 200_003  // more than one thread's share, not a multiple of any vector
    let values = (0..<count).map {
      Float(bitPattern: UInt32(truncatingIfNeeded: $0 &* 0x9E37_79B1))
    }
    for (type, kernelType) in Self.narrow {
      let codes = encode(type, values)
      let wrong = values.indices.filter {
        !values[$0].isNaN
          && UInt32(codes[$0]) != gyro_reference_float_to_code(values[$0], kernelType)
      }
      #expect(wrong.isEmpty, "\(type)")
    }
  }
}
