import CGyroKernels
import CGyroParallel
import Foundation
import GyroTensors
import TestSupport
import Testing

@testable import GyroManifolds

private func normal(_ shape: Shape, _ seed: UInt64 = 5) -> Tensor {
  var stream = RandomStream(seed: seed)
  return stream.normal(shape)
}

/// Whole numbers, so that sums are exact in Float32 in whatever order they are taken.
private func whole(_ shape: Shape) -> Tensor {
  var stream = RandomStream(seed: 8)
  return Tensor(shape, elements: (0..<shape.count).map { _ in Float(stream.integer(below: 9) - 4) })
}

/// The transform by the plain reference beside the kernel.
private func reference(_ x: Tensor, _ transform: HadamardTransform, _ transposed: Bool) -> Tensor {
  x.withElements { source in
    Tensor.filled(x.shape) {
      transform.plan.transform(
        source, $0, rows: x.shape.rows, transposed: transposed, with: gyro_reference_hadamard)
    }
  }
}

private let sizes = [
  1, 2, 3, 4, 5, 6, 8, 12, 16, 20, 24, 32, 40, 64, 97, 128, 144, 172, 240, 256, 312, 336, 416, 512,
  688, 1024,
]

@Suite struct HadamardTransformTests {
  /// x · M and x · Mᵀ, for every structure, batches that fill no tile, and both ways of writing.
  @Test(arguments: sizes)
  func rowsAreMultipliedByTheMatrix(size: Int) {
    for seed in [nil, UInt64(11)] {
      let transform = HadamardTransform(size: size, signSeed: seed)
      let matrix = transform.matrix
      for rows in [1, 7, 33] {
        let x = normal([rows, size])
        for transposed in [false, true] {
          let expected = Matrix64(x).matmul(matrix, transposingOther: transposed).tensor
          let result = transform.applied(to: x, transposed: transposed)
          expectClose(result, expected, relative: 1e-5, absolute: 4e-6, "\(rows), \(transposed)")
          var inPlace = x
          transform.apply(&inPlace, transposed: transposed)
          expectSameBits(inPlace, result, "in place, \(rows) rows, \(transposed)")
        }
      }
    }
  }

  /// Sums of whole numbers are exact, so the kernel must equal the reference where the scale is a
  /// power of two, and be a rounding apart at most elsewhere.
  @Test(arguments: [1, 2, 4, 8, 12, 16, 24, 64, 144, 172, 240, 256, 336, 416, 512, 1024])
  func theKernelEqualsItsReference(size: Int) {
    let isExact = size & (size - 1) == 0 && size.trailingZeroBitCount % 2 == 0
    for seed in [nil, UInt64(3)] {
      let transform = HadamardTransform(size: size, signSeed: seed)
      let x = whole([2, size])
      for transposed in [false, true] {
        expectClose(
          transform.applied(to: x, transposed: transposed), reference(x, transform, transposed),
          relative: isExact ? 0 : 2e-6, absolute: isExact ? 0 : 2e-6)
      }
    }
  }

  /// Rows longer than one block of the cache.
  @Test(arguments: [4096, 8192, 16384, 65536])
  func longRowsEqualShortOnesPutTogether(size: Int) {
    let transform = HadamardTransform(size: size), half = HadamardTransform(size: size / 2)
    let x = whole([2, size])
    let a = half.applied(to: x.sliced(axis: 1, 0..<size / 2).contiguous())
    let b = half.applied(to: x.sliced(axis: 1, size / 2..<size).contiguous())
    let scale = Float(0.5).squareRoot()
    let expected = Tensor.concatenated([(a + b) * scale, (a - b) * scale], axis: 1)
    expectClose(transform.applied(to: x), expected, relative: 1e-5, absolute: 1e-4)
  }

  @Test(arguments: [12, 64, 97, 416, 688, 4096, 11008, 13696, 29568])
  func theTransposeIsTheInverse(size: Int) {
    let transform = HadamardTransform(size: size, signSeed: 4)
    let x = normal([3, size])
    let back = transform.applied(to: transform.applied(to: x), transposed: true)
    expectClose(back, x, relative: 1e-5, absolute: 1e-5)
    let forth = transform.applied(to: transform.applied(to: x, transposed: true))
    expectClose(forth, x, relative: 1e-5, absolute: 1e-5)
  }

  @Test func lengthsStay() {
    let transform = HadamardTransform(size: 1376, signSeed: 1)
    let x = normal([4, 1376])
    let before = x.sumOfSquares(), after = transform.applied(to: x).sumOfSquares()
    #expect(abs(after / before - 1) < 1e-6)
  }

  @Test func anOutlierSpreadsEvenly() {
    for size in [688, 1024, 29568] {
      var elements = [Float](repeating: 0, count: size)
      elements[size / 3] = 100
      let spread = HadamardTransform(size: size, signSeed: 2).applied(
        to: Tensor([1, size], elements: elements))
      let expected = 100 / Float(size).squareRoot()
      expectClose(spread.elements.map(abs), .init(repeating: expected, count: size))
    }
  }

  @Test func blocksTransformEachPartOfARow() throws {
    let transform = try HadamardTransform(size: 96, blocks: 3, signSeed: 6)
    let x = normal([5, 96])
    let expected = Matrix64(x).matmul(transform.matrix).tensor
    expectClose(transform.applied(to: x), expected, absolute: 4e-6)
    let back = Matrix64(x).matmul(transform.matrix, transposingOther: true).tensor
    expectClose(transform.applied(to: x, transposed: true), back, absolute: 4e-6)
  }

  @Test func allLeadingAxesAreRows() {
    let transform = HadamardTransform(size: 12)
    let x = normal([2, 3, 12])
    let flat = transform.applied(to: x.reshaped([6, 12]))
    expectSameBits(transform.applied(to: x), flat.reshaped([2, 3, 12]))
    let view = normal([12, 4]).transposed()
    expectSameBits(transform.applied(to: view), transform.applied(to: view.contiguous()))
    #expect(transform.applied(to: .zeros([0, 12])).count == 0)
  }

  @Test func threadsDoNotChangeABit() {
    for size in [128, 688, 4096] {
      let transform = HadamardTransform(size: size, signSeed: 9)
      let x = normal([65, size])
      let result = transform.applied(to: x)
      gyro_set_thread_count(1)
      let alone = transform.applied(to: x)
      gyro_set_thread_count(0)
      expectSameBits(result, alone, "size \(size)")
    }
  }

  @Test func writingInPlaceLeavesCopiesAlone() {
    let x = normal([2, 16])
    var y = x
    HadamardTransform(size: 16).apply(&y)
    expectSameBits(x, normal([2, 16]))
    #expect(y.elements != x.elements)
  }

  @Test(arguments: [8, 12, 240, 344, 97, 1504, 13696])
  func transformsSurviveCoding(size: Int) throws {
    let blocks = try HadamardTransform(size: 2 * size, blocks: 2, signSeed: nil)
    for transform in [HadamardTransform(size: size, signSeed: 5), blocks] {
      let data = try JSONEncoder().encode(transform)
      #expect(try JSONDecoder().decode(HadamardTransform.self, from: data) == transform)
    }
  }

  @Test func constructionsOfOtherSizesAreRefused() throws {
    func decode(_ text: String) throws -> HadamardTransform {
      try JSONDecoder().decode(HadamardTransform.self, from: Data(text.utf8))
    }
    for text in [
      #"{"size": 0, "construction": {"sylvester": {}}}"#,
      #"{"size": 12, "construction": {"sylvester": {}}}"#,
      #"{"size": 12, "construction": {"paley": {"core": 6}}}"#,
      #"{"size": 12, "construction": {"blocks": {"of": 5}}}"#,
      #"{"size": 12, "construction": {"kronecker": {"_0": 4, "_1": 3}}}"#,
    ] {
      #expect(throws: DecodingError.self) { try decode(text) }
    }
    #expect(
      try decode(#"{"size": 12, "construction": {"paley": {"core": 12}}}"#)
        == HadamardTransform(size: 12))
  }
}
