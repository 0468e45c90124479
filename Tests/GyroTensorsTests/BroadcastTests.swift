import GyroTensors
import TestSupport
import Testing

@Suite struct BroadcastTests {
  static let shapes: [(Shape, Shape)] = [
    ([7], [7]), ([3, 5], [3, 5]), ([3, 5], []), ([], [4, 2]), ([6, 33], [33]), ([6, 33], [6, 1]),
    ([33], [6, 33]), ([1, 5], [4, 1]), ([2, 3, 4], [3, 1]), ([2, 1, 4], [1, 3, 1]),
    ([2, 1, 3, 1, 2, 1, 2, 1], [1, 2, 1, 3, 1, 2, 1, 2]), ([1], [1]), ([0, 3], [3]),
    ([300, 257], [257]), ([300, 257], [300, 1]), ([70_001], [70_001]),
  ]

  /// One output element at a time, by index arithmetic.
  static func plain(_ a: Tensor, _ b: Tensor, _ op: (Float, Float) -> Float) -> Tensor {
    let target = a.shape.broadcast(with: b.shape)!
    func place(_ flat: Int, _ shape: Shape) -> Int {
      var rest = flat
      var place = 0
      for axis in stride(from: target.rank - 1, through: 0, by: -1) {
        let index = rest % target.dimensions[axis]
        rest /= target.dimensions[axis]
        let own = axis - (target.rank - shape.rank)
        if own >= 0 && shape.dimensions[own] != 1 { place += index * shape.contiguousStrides[own] }
      }
      return place
    }
    let (x, y) = (a.elements, b.elements)
    return Tensor(
      target,
      elements: (0..<target.count).map { op(x[place($0, a.shape)], y[place($0, b.shape)]) })
  }

  @Test(arguments: shapes) func operatorsEqualThePlainLoop(_ a: Shape, _ b: Shape) {
    var stream = RandomStream(seed: 3)
    let x = stream.normal(a)
    let y = stream.normal(b)
    expectSameBits(x + y, Self.plain(x, y, +))
    expectSameBits(x - y, Self.plain(x, y, -))
    expectSameBits(x * y, Self.plain(x, y, *))
    expectSameBits(x / y, Self.plain(x, y, /))
    expectSameBits(x.maximum(y), Self.plain(x, y) { max($0, $1) })
    expectSameBits(x.minimum(y), Self.plain(x, y) { min($0, $1) })
  }

  @Test func viewsGiveTheSameBitsAsTheirCopies() {
    var stream = RandomStream(seed: 4)
    let x = stream.normal([40, 70])
    let y = stream.normal([70, 40])
    let z = stream.normal([5, 40, 90])
    expectSameBits(x.transposed() + y, x.transposed().copied() + y)
    expectSameBits(y - x.transposed(), y - x.transposed().copied())
    let slice = z.sliced(axis: 2, 11..<81)
    expectSameBits(slice * x, slice.copied() * x)
    expectSameBits(slice / slice.transposed(0, 0), slice.copied() / slice.copied())
    let column = x.sliced(axis: 1, 3..<4)
    expectSameBits(x * column, x * column.copied())
  }

  @Test func broadcastViewsReadLikeTheirCopies() {
    let row = Tensor([3], elements: [1, 2, 3])
    #expect(row.broadcast(to: [2, 3]).elements == [1, 2, 3, 1, 2, 3])
    let column = Tensor([2, 1], elements: [1, 2])
    #expect(column.broadcast(to: [2, 3]).elements == [1, 1, 1, 2, 2, 2])
    expectSameBits(column.broadcast(to: [2, 3]) + row, column + row)
  }

  @Test(arguments: shapes) func reductionIsTheTransposeOfTheBroadcast(_ a: Shape, _ b: Shape) {
    // ⟨broadcast(x), y⟩ = ⟨x, reduced(y)⟩
    let target = a.broadcast(with: b)!
    var stream = RandomStream(seed: 5)
    let x = stream.normal(a)
    let y = stream.normal(target)
    let left = x.broadcast(to: target).dot(y)
    let right = x.dot(y.reduced(to: a))
    #expect(abs(left - right) <= 1e-4 * (1 + abs(left)) * Double(target.count).squareRoot())
    #expect(y.reduced(to: a).shape == a)
  }

  @Test func scalarFormsEqualThePlainLoop() {
    var stream = RandomStream(seed: 6)
    let x = stream.normal([3, 129])
    func expect(_ value: Tensor, _ op: (Float) -> Float) {
      expectSameBits(value, Tensor(x.shape, elements: x.elements.map(op)))
    }
    expect(x + 1.5) { $0 + 1.5 }
    expect(1.5 + x) { $0 + 1.5 }
    expect(x - 1.5) { $0 - 1.5 }
    expect(1.5 - x) { 1.5 - $0 }
    expect(x * 3) { $0 * 3 }
    expect(3 * x) { $0 * 3 }
    expect(x / 3) { $0 / 3 }
    expect(3 / x) { 3 / $0 }
    expect(-x) { -$0 }
    expect(x.clamped(to: -0.5...0.25)) { min(max($0, -0.5), 0.25) }
  }

  @Test func changesInPlaceLeaveSharersAlone() {
    var a = Tensor([4], elements: [1, 2, 3, 4])
    let before = a
    a.add(Tensor([4], elements: [10, 20, 30, 40]), scaledBy: 0.5)
    #expect(a.elements == [6, 12, 18, 24])
    #expect(before.elements == [1, 2, 3, 4])
    a.add(a)
    #expect(a.elements == [12, 24, 36, 48])
    a.scale(by: -0.5)
    #expect(a.elements == [-6, -12, -18, -24])
    var rows = Tensor([2, 2], elements: [1, 2, 3, 4])
    rows.addRow(Tensor([2], elements: [10, 20]))
    #expect(rows.elements == [11, 22, 13, 24])
    rows += rows.transposed()
    #expect(rows.elements == [22, 35, 35, 48])
  }

  @Test func notANumberPassesThrough() {
    let x = Tensor([2], elements: [.nan, 1])
    let y = Tensor([2], elements: [1, .nan])
    #expect(x.maximum(y).elements.allSatisfy { $0.isNaN })
    #expect(x.minimum(y).elements.allSatisfy { $0.isNaN })
    #expect(x.clamped(to: 0...1).elements[0].isNaN)
  }
}
