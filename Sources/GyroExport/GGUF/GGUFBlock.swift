import GyroQuantization

/// One block of a ggml type, taken apart: the whole numbers of its elements as the file has them,
/// and what they are multiplied by. `read` and `write` are inverse to each other.
struct GGUFBlock {
  let type: GGUFType
  /// Per element: signed for the types with a middle (`q − 8` of Q4_0), from 0 on for those with an
  /// offset (Q4_1, Q4_K); codes of E2M1 for MXFP4 and NVFP4.
  var numbers: [Int16]
  /// `d`, the bits of a half-precision number. (MXFP4 and NVFP4 have none.)
  var scale: UInt16 = 0
  /// What offsets are multiples of (`m` of Q4_1 and Q4_K), the bits of a half-precision number.
  var offset: UInt16 = 0
  /// Per run: `s` of Q4_K and Q6_K; exponents of MXFP4, E4M3 scales of NVFP4.
  var steps: [UInt8]
  /// Per run: `m` of Q4_K.
  var minimums: [UInt8]

  init(_ type: GGUFType) {
    self.type = type
    numbers = [Int16](repeating: 0, count: type.blockSize)
    let runs = type.blockSize / type.runLength
    steps = [UInt8](repeating: 0, count: runs)
    minimums = [UInt8](repeating: 0, count: runs)
  }

  // MARK: Values

  /// What the numbers of a run are multiplied by.
  func scale(ofRun run: Int) -> Float {
    let whole = Float(Float16(bitPattern: scale))
    switch type {
    case .q4K, .q5K: return whole * Float(steps[run])
    case .q6K: return whole * Float(Int8(bitPattern: steps[run]))
    case .mxfp4: return ScaleFormat.e8m0.scales(of: [steps[run]])[0]
    // The sign bit is not looked at, and the code of NaN stands for 0.
    case .nvfp4: return steps[run] == 0x7f ? 0 : Minifloat.e4m3.decode(steps[run] & 0x7f)
    default: return whole
    }
  }

  /// What is added to the products of a run.
  func offset(ofRun run: Int) -> Float {
    let whole = Float(Float16(bitPattern: offset))
    switch type {
    case .q41, .q51: return whole
    case .q4K, .q5K: return -(whole * Float(minimums[run]))
    default: return 0
    }
  }

  /// Writes the values of all elements, by ggml's arithmetic.
  func decode(into values: UnsafeMutablePointer<Float>) {
    let length = type.runLength
    let isFloat = type == .mxfp4 || type == .nvfp4
    for run in 0..<steps.count {
      let scale = scale(ofRun: run), offset = offset(ofRun: run)
      for place in run * length..<(run + 1) * length {
        let number = isFloat ? Self.e2m1[Int(numbers[place])] : Float(numbers[place])
        values[place] = number * scale + offset
      }
    }
  }

  private static let e2m1 = (0..<16).map { Minifloat.e2m1.decode(UInt8($0)) }

  // MARK: Bytes

  /// Takes a block apart.
  mutating func read(_ bytes: UnsafePointer<UInt8>) {
    switch type {
    case .f32, .f16, .bf16: preconditionFailure("GGUFBlock: \(type.name) has no blocks")
    case .q80:
      scale = half(bytes)
      for place in 0..<32 { numbers[place] = Int16(Int8(bitPattern: bytes[2 + place])) }
    case .q40:
      scale = half(bytes)
      readNibbles(bytes + 2, at: 0, distance: 16, subtracting: 8)
    case .q41:
      (scale, offset) = (half(bytes), half(bytes + 2))
      readNibbles(bytes + 4, at: 0, distance: 16, subtracting: 0)
    case .q50:
      scale = half(bytes)
      readNibbles(bytes + 6, at: 0, distance: 16, subtracting: 16)
      readFifthBits(bytes + 2)
    case .q51:
      (scale, offset) = (half(bytes), half(bytes + 2))
      readNibbles(bytes + 8, at: 0, distance: 16, subtracting: 0)
      readFifthBits(bytes + 4)
    case .q4K, .q5K: readSuperBlock(bytes)
    case .q6K: readSixBits(bytes)
    case .tq10: readBaseThree(bytes)
    case .tq20:
      scale = half(bytes + 64)
      for place in 0..<256 {
        numbers[place] = Int16(bytes[Self.byte(ofPair: place)] >> Self.shift(ofPair: place) & 3) - 1
      }
    case .mxfp4:
      steps[0] = bytes[0]
      readNibbles(bytes + 1, at: 0, distance: 16, subtracting: 0)
    case .nvfp4:
      for run in 0..<4 {
        steps[run] = bytes[run]
        readNibbles(bytes + 4 + 8 * run, at: 16 * run, distance: 8, subtracting: 0)
      }
    }
  }

  /// Puts a block together.
  /// - Precondition: numbers within the type's range.
  func write(_ bytes: UnsafeMutablePointer<UInt8>) {
    switch type {
    case .f32, .f16, .bf16, .q5K: preconditionFailure("GGUFBlock: \(type.name) is not written")
    case .q80:
      put(scale, bytes)
      for place in 0..<32 { bytes[2 + place] = UInt8(bitPattern: Int8(numbers[place])) }
    case .q40:
      put(scale, bytes)
      writeNibbles(bytes + 2, at: 0, distance: 16, adding: 8)
    case .q41:
      put(scale, bytes)
      put(offset, bytes + 2)
      writeNibbles(bytes + 4, at: 0, distance: 16, adding: 0)
    case .q50:
      put(scale, bytes)
      writeFifthBits(bytes + 2, adding: 16)
      writeNibbles(bytes + 6, at: 0, distance: 16, adding: 16)
    case .q51:
      put(scale, bytes)
      put(offset, bytes + 2)
      writeFifthBits(bytes + 4, adding: 0)
      writeNibbles(bytes + 8, at: 0, distance: 16, adding: 0)
    case .q4K: writeSuperBlock(bytes)
    case .q6K: writeSixBits(bytes)
    case .tq10: writeBaseThree(bytes)
    case .tq20:
      put(scale, bytes + 64)
      for place in 0..<64 { bytes[place] = 0 }
      for place in 0..<256 {
        bytes[Self.byte(ofPair: place)] |= UInt8(numbers[place] + 1) << Self.shift(ofPair: place)
      }
    case .mxfp4:
      bytes[0] = steps[0]
      writeNibbles(bytes + 1, at: 0, distance: 16, adding: 0)
    case .nvfp4:
      for run in 0..<4 {
        bytes[run] = steps[run]
        writeNibbles(bytes + 4 + 8 * run, at: 16 * run, distance: 8, adding: 0)
      }
    }
  }

  // MARK: Parts of blocks

  /// Where TQ2_0 has the two bits of an element: 32 bytes hold 128 elements, four runs of 32.
  private static func byte(ofPair place: Int) -> Int { place / 128 * 32 + place % 32 }
  private static func shift(ofPair place: Int) -> Int { place / 32 % 4 * 2 }

  func half(_ bytes: UnsafePointer<UInt8>) -> UInt16 { UInt16(bytes[0]) | UInt16(bytes[1]) << 8 }

  func put(_ half: UInt16, _ bytes: UnsafeMutablePointer<UInt8>) {
    bytes[0] = UInt8(truncatingIfNeeded: half)
    bytes[1] = UInt8(half >> 8)
  }

  /// Low halves of bytes are neighbors, high ones follow `distance` elements later.
  mutating func readNibbles(
    _ bytes: UnsafePointer<UInt8>, at start: Int, distance: Int, subtracting middle: Int16
  ) {
    for place in 0..<distance {
      numbers[start + place] = Int16(bytes[place] & 15) - middle
      numbers[start + distance + place] = Int16(bytes[place] >> 4) - middle
    }
  }

  func writeNibbles(
    _ bytes: UnsafeMutablePointer<UInt8>, at start: Int, distance: Int, adding middle: Int16
  ) {
    for place in 0..<distance {
      let low = UInt8(truncatingIfNeeded: numbers[start + place] + middle) & 15
      let high = UInt8(truncatingIfNeeded: numbers[start + distance + place] + middle) & 15
      bytes[place] = low | (high << 4)
    }
  }

  private mutating func readFifthBits(_ bytes: UnsafePointer<UInt8>) {
    for place in 0..<32 { numbers[place] += Int16((bytes[place >> 3] >> (place & 7)) & 1) * 16 }
  }

  private func writeFifthBits(_ bytes: UnsafeMutablePointer<UInt8>, adding middle: Int16) {
    for byte in 0..<4 {
      bytes[byte] = (0..<8).reduce(0) { bits, place in
        bits | UInt8(truncatingIfNeeded: ((numbers[8 * byte + place] + middle) >> 4) & 1) << place
      }
    }
  }
}
