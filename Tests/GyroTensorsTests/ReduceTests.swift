import CGyroParallel
import GyroTensors
import TestSupport
import Testing

@Suite struct ReduceTests {
  static let counts = [0, 1, 2, 15, 16, 17, 255, 4095, 4096, 4097, 70_003, 1_200_005]

  @Test(arguments: counts) func sumsAreCloseToDoublePrecision(_ count: Int) {
    var stream = RandomStream(seed: 1)
    let x = stream.normal([count], mean: 0.1)
    let y = stream.normal([count])
    let (a, b) = (x.elements.map(Double.init), y.elements.map(Double.init))
    func close(_ value: Double, _ terms: [Double]) {
      let size = terms.reduce(0) { $0 + abs($1) }
      #expect(abs(value - terms.reduce(0, +)) <= 2e-6 * size)
    }
    close(x.preciseSum(), a)
    close(x.sumOfSquares(), a.map { $0 * $0 })
    close(x.dot(y), zip(a, b).map { $0 * $1 })
    close(x.sumOfSquaredDifferences(from: y), zip(a, b).map { ($0 - $1) * ($0 - $1) })
    if count > 0 { #expect(x.mean() == Float(x.preciseSum() / Double(count))) }
  }

  @Test func sumsDoNotDependOnTheNumberOfThreads() {
    var stream = RandomStream(seed: 2)
    let x = stream.normal([1_000_003])
    let m = stream.normal([300, 1111])
    func all() -> [Float] {
      [x.sum()] + m.sum(axes: [0]).elements + m.sum(axes: [1]).elements
    }
    let usual = all()
    defer { gyro_set_thread_count(0) }
    for threads: Int32 in [1, 2, 3] {
      gyro_set_thread_count(threads)
      #expect(all().map(\.bitPattern) == usual.map(\.bitPattern), "\(threads) threads")
    }
  }

  @Test(arguments: [
    ([5, 7], [0]), ([5, 7], [1]), ([5, 7], [0, 1]), ([5, 7], [-1]), ([3, 4, 5], [1]),
    ([3, 4, 5], [0, 2]), ([3, 4, 5], []), ([2, 3, 4, 5], [0, 2, 3]), ([2, 3, 4, 5], [1, 3]),
    ([129, 300], [0]), ([1, 5000], [0]), ([3, 2, 2100], [1]), ([4, 1, 3], [1]), ([0, 3], [0]),
  ])
  func sumsOverAxesEqualThePlainLoop(_ extents: [Int], _ axes: [Int]) {
    var stream = RandomStream(seed: 3)
    let shape = Shape(extents)
    let x = stream.normal(shape)
    let places = Set(axes.map(shape.normalized))
    var kept = extents
    for axis in places { kept[axis] = 1 }
    let target = Shape(kept)
    var sums = [Double](repeating: 0, count: target.count)
    for (flat, value) in x.elements.enumerated() {
      var rest = flat
      var place = 0
      for axis in stride(from: shape.rank - 1, through: 0, by: -1) {
        let index = rest % extents[axis]
        rest /= extents[axis]
        if !places.contains(axis) { place += index * target.contiguousStrides[axis] }
      }
      sums[place] += Double(value)
    }
    let expected = Tensor(target, elements: sums.map { Float($0) })
    expectClose(x.sum(axes: axes, keepingAxes: true), expected, absolute: 1e-5)
    let dropped = Shape(extents.indices.filter { !places.contains($0) }.map { extents[$0] })
    expectClose(x.sum(axes: axes), expected.reshaped(to: dropped), absolute: 1e-5)
    let terms = places.reduce(1) { $0 * extents[$1] }
    if terms > 0 {
      expectClose(
        x.mean(axes: axes, keepingAxes: true), expected * (1 / Float(terms)), absolute: 1e-5)
    }
  }

  @Test(arguments: counts.dropFirst()) func extremesEqualThePlainLoop(_ count: Int) {
    var stream = RandomStream(seed: 4)
    let x = stream.normal([count])
    let elements = x.elements
    #expect(x.maximum() == elements.max())
    #expect(x.minimum() == elements.min())
    #expect(x.maximumMagnitude == elements.map(abs).max())
    #expect(x.allFinite)
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity], [0, 5, 4096, 70_002])
  func oneBadElementIsFound(_ bad: Float, _ place: Int) {
    var stream = RandomStream(seed: 5)
    var x = stream.normal([70_003])
    x.withMutableElements { $0[place] = bad }
    #expect(!x.allFinite)
    #expect(bad.isNaN ? x.maximum().isNaN : x.maximum() == max(bad, x.elements.max()!))
    #expect(bad.isNaN ? x.minimum().isNaN : x.minimum() == min(bad, x.elements.min()!))
    #expect(bad.isNaN ? x.maximumMagnitude.isNaN : x.maximumMagnitude == .infinity)
  }

  @Test func noElementsAreFinite() {
    #expect(Tensor([0], elements: []).allFinite)
    #expect(Tensor([0], elements: []).sum() == 0)
  }

  @Test func argmaxIsTheFirstOfEquals() {
    let x = Tensor([3, 4], elements: [1, 5, 5, 0, -1, -2, -3, -1, 7, .nan, 9, .nan])
    #expect(x.argmaxRows() == [1, 0, 1])
    var stream = RandomStream(seed: 6)
    let y = stream.normal([50, 333])
    let plain = (0..<50).map { row in
      let cells = Array(y.elements[row * 333..<(row + 1) * 333])
      return cells.firstIndex(of: cells.max()!)!
    }
    #expect(y.argmaxRows() == plain)
    #expect(
      y.transposed().argmaxRows().count == 333, "a strided view has rows of its own")
  }
}
