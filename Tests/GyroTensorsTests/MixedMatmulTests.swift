import CGyroMatmul
import CGyroParallel
import GyroTensors
import Testing

/// A stored matrix of one of the kinds, with its numbers at hand.
private struct StoredFactor {
  let kind: Int
  let rows: Int, columns: Int
  let numbers: [Float]
  let scales: [Float]?

  /// Random numbers that the kind can hold. Whole ones have power-of-two scales, so that products
  /// and sums are exact.
  init(
    _ kind: Int, rows: Int, columns: Int, isScaled: Bool, isWhole: Bool,
    _ random: inout RandomStream
  ) {
    self.kind = kind
    self.rows = rows
    self.columns = columns
    numbers = (0..<rows * columns).map { _ in
      if isWhole { return Float(random.integer(below: 7)) - 3 }
      if kind == GYRO_FACTOR_INT8 { return Float(random.integer(below: 255)) - 127 }
      let value = (random.uniform() * 2 - 1) * 4
      return kind == GYRO_FACTOR_FLOAT32 ? value : gyro_reference_round_bfloat16(value)
    }
    scales =
      !isScaled
      ? nil
      : (0..<rows).map { _ in
        isWhole ? [0.5, 1, 2][random.integer(below: 3)] : 0.01 + random.uniform()
      }
  }

  /// What the factor stands for.
  func value(_ row: Int, _ column: Int) -> Double {
    Double(numbers[row * columns + column]) * Double(scales?[row] ?? 1)
  }

  func withFactor(_ body: (UnsafePointer<gyro_matmul_factor>) -> Void) {
    var factor = gyro_matmul_factor()
    factor.kind = Int32(kind)
    factor.stride = Int64(columns)
    func call(_ data: UnsafeRawPointer) {
      factor.data = data
      guard let scales else { return body(&factor) }
      scales.withUnsafeBufferPointer {
        factor.scale = $0.baseAddress
        body(&factor)
      }
    }
    switch kind {
    case GYRO_FACTOR_INT8: numbers.map { Int8($0) }.withUnsafeBytes { call($0.baseAddress!) }
    case GYRO_FACTOR_BFLOAT16:
      numbers.map { UInt16($0.bitPattern >> 16) }.withUnsafeBytes { call($0.baseAddress!) }
    default: numbers.withUnsafeBytes { call($0.baseAddress!) }
    }
  }
}

private struct MixedProduct {
  let a: StoredFactor, b: StoredFactor
  let flipA: Bool, flipB: Bool
  let pieces: Int
  let m: Int, n: Int, k: Int

  var result: [Float] { run(gyro_matmul_mixed) }

  var reference: [Float] {
    run {
      gyro_reference_matmul_mixed($0, $1, $2, $3, $4, $5, $6, $7, $8)
      return 0
    }
  }

  private func run(
    _ product: (
      Int32, Int32, Int32, Int64, Int64, Int64, UnsafePointer<gyro_matmul_factor>,
      UnsafePointer<gyro_matmul_factor>, UnsafeMutablePointer<Float>
    ) -> Int32
  ) -> [Float] {
    var output = [Float](repeating: .nan, count: m * n)
    a.withFactor { left in
      b.withFactor { right in
        let status = product(
          Int32(pieces), flipA ? 1 : 0, flipB ? 1 : 0, Int64(m), Int64(n), Int64(k), left, right,
          &output)
        precondition(status == 0)
      }
    }
    return output
  }

  /// The product of magnitudes, to which errors are relative.
  var bounds: [Double] {
    (0..<m * n).map { place in
      let (i, j) = (place / n, place % n)
      return (0..<k).reduce(0) { sum, p in
        sum + abs((flipA ? a.value(p, i) : a.value(i, p)) * (flipB ? b.value(j, p) : b.value(p, j)))
      }
    }
  }

  /// Every form of one shape.
  static func all(_ m: Int, _ n: Int, _ k: Int, isWhole: Bool, _ body: (MixedProduct) -> Void) {
    var random = RandomStream(seed: UInt64(m * n + k))
    for form in 0..<9 * 4 * 4 * 2 {
      let (kindA, kindB) = (form % 3, form / 3 % 3)
      let (flipA, flipB) = (form / 9 % 2 == 1, form / 18 % 2 == 1)
      let (scaledA, scaledB) = (form / 36 % 2 == 1, form / 72 % 2 == 1)
      if scaledA && kindA == GYRO_FACTOR_FLOAT32 || scaledB && kindB == GYRO_FACTOR_FLOAT32 {
        continue
      }
      let a = StoredFactor(
        kindA, rows: flipA ? k : m, columns: flipA ? m : k, isScaled: scaledA, isWhole: isWhole,
        &random)
      let b = StoredFactor(
        kindB, rows: flipB ? n : k, columns: flipB ? k : n, isScaled: scaledB, isWhole: isWhole,
        &random)
      body(
        MixedProduct(
          a: a, b: b, flipA: flipA, flipB: flipB, pieces: 2 + form / 144, m: m, n: n, k: k))
    }
  }

  /// The first thing that is wrong with a shape's products, if any.
  static func firstError(_ m: Int, _ n: Int, _ k: Int) -> String? {
    var error: String?
    all(m, n, k, isWhole: true) { product in
      if product.result != product.reference {
        error = error ?? "whole numbers of kinds \(product.a.kind) × \(product.b.kind) are inexact"
      }
    }
    // Float32 sums with their two last roundings; where float32 multiplies instead of two pieces,
    // it is the reference that is off, by 2^-17 of either factor and 2^-16 for lo·lo.
    let isByFloat32 = gyro_matmul_split_is_fast() == 0 || m < 16 || n < 16 || k < 32
    all(m, n, k, isWhole: false) { product in
      let cutting = product.pieces == 2 && isByFloat32 ? 0x1p-15 : 0
      let sums = 3 * (3 * Double(k)).squareRoot() * 0x1p-24 + 0x1p-22
      let (results, expected) = (product.result, product.reference)
      for (place, bound) in product.bounds.enumerated()
      where !(abs(Double(results[place]) - Double(expected[place])) <= (sums + cutting) * bound) {
        error =
          error ?? """
            kinds \(product.a.kind)\(product.flipA ? "ᵀ" : "") × \
            \(product.b.kind)\(product.flipB ? "ᵀ" : ""), \(product.pieces) pieces: element \
            \(place) is \(results[place]), not \(expected[place])
            """
      }
    }
    return error
  }
}

@Suite("Products of codes, units and Float32")
struct MixedMatmulTests {
  @Test(
    "equal the reference within the error of Float32 sums, and exactly for small whole numbers",
    arguments: [(1, 1, 1), (3, 17, 5), (33, 40, 70), (2, 33, 1100)])
  func allForms(_ m: Int, _ n: Int, _ k: Int) {
    #expect(MixedProduct.firstError(m, n, k) == nil)
  }

  @Test("do the same without tiles, and on the plain engine")
  func otherEngines() async {
    await #expect(processExitsWith: .success) {
      for engine in [GYRO_ENGINE_VNNI, GYRO_ENGINE_PORTABLE] {
        gyro_matmul_limit_engine(Int32(engine))
        precondition(MixedProduct.firstError(33, 20, 70) == nil)
      }
    }
  }

  @Test("do not depend on the number of threads")
  func threads() async {
    await #expect(processExitsWith: .success) {
      MixedProduct.all(70, 130, 600, isWhole: false) { product in
        gyro_set_thread_count(1)
        let alone = product.result
        gyro_set_thread_count(3)
        precondition(product.result == alone || gyro_matmul_split_is_fast() == 0)
      }
    }
  }
}
