import GyroCache
import GyroManifolds
import GyroTensors
import TestSupport
import Testing

@Suite struct SketchTests {
  @Test func sketchesFollowFromTheirSeed() throws {
    for kind in SketchKind.allCases {
      let first = try Sketch(kind, rows: 128, columns: 64, seed: 1)
      let again = try Sketch(kind, rows: 128, columns: 64, seed: 1)
      let other = try Sketch(kind, rows: 128, columns: 64, seed: 2)
      expectSameBits(first.transposed, again.transposed, kind.rawValue)
      #expect(first.name == again.name)
      #expect(first.name != other.name)
      #expect(zip(first.transposed.elements, other.transposed.elements).contains { $0 != $1 })
      #expect(first.byteCount == 4 * 128 * 64)
    }
  }

  @Test(arguments: SketchKind.allCases.filter(\.isOrthogonal), [(64, 64), (64, 128), (192, 48)])
  func blocksOfRowsAreOrthogonalOfLengthRootColumns(kind: SketchKind, extents: (Int, Int)) throws {
    let (rows, columns) = extents
    let matrix = try Sketch(kind, rows: rows, columns: columns, seed: 3).transposed.transposed()
    for first in stride(from: 0, to: rows, by: columns) {
      let block = Matrix64(matrix.sliced(axis: 0, first..<min(rows, first + columns)).contiguous())
      let gram = (1 / Double(columns)) * block.matmul(block, transposingOther: true)
      #expect((gram - .identity(gram.rows)).largestMagnitude < 1e-6)
    }
  }

  @Test func normalRowsHaveTheLengthOfTheOthersOnAverage() throws {
    let sketch = try Sketch(.gaussian, rows: 1024, columns: 64, seed: 4)
    let square = sketch.transposed.elements.reduce(0.0) { $0 + Double($1 * $1) }
    #expect(abs(square / 1024 / 64 - 1) < 0.02)
  }

  @Test func biasOfOrthogonalRows() {
    for (columns, bias) in [(16, 1.01574), (64, 1.00391), (128, 1.00196)] {
      #expect(abs(SketchKind.orthogonal.bias(columns: columns) - bias) < 5e-6)
    }
    #expect(SketchKind.gaussian.bias(columns: 16) == 1)
  }

  @Test func orthogonalRowsVaryLess() {
    // The limits of large heads: 2.75 times less across, 8.06 times less along.
    for (cosine, ratio) in [(0.0, 2.75), (1.0, 8.06)] {
      let normal = SketchKind.gaussian.variance(rows: 8192, columns: 8192, cosine: cosine)
      let orthogonal = SketchKind.orthogonal.variance(rows: 8192, columns: 8192, cosine: cosine)
      #expect(abs(normal / orthogonal - ratio) < 0.01)
    }
  }

  @Test func sketchesFillWholeWords() {
    for (rows, advice) in [(0, 64), (32, 64), (63, 64), (100, 128), (-64, 64)] {
      #expect(throws: CacheError.sketchLength(rows, of: "sketch")) {
        try Sketch(.gaussian, rows: rows, columns: 16, seed: 0)
      }
      #expect("\(CacheError.sketchLength(rows, of: "sketch"))".hasSuffix("try \(advice)"))
    }
    #expect(throws: CacheError.option("sketch", expected: "at most 4096 rows", got: "4160")) {
      try Sketch(.gaussian, rows: 4160, columns: 16, seed: 0)
    }
  }
}
