import GyroTensors
import Testing

@Suite("Tensor: a value over shared storage")
struct TensorTests {
  private let matrix = Tensor([2, 3], elements: [1, 2, 3, 4, 5, 6])

  @Test("writing to a copy leaves the original as it was")
  func copyOnWrite() {
    var copy = matrix
    copy.withMutableElements { $0[0] = 9 }
    #expect(matrix.elements == [1, 2, 3, 4, 5, 6])
    #expect(copy.elements == [9, 2, 3, 4, 5, 6])
  }

  @Test("views share storage, and read as their definition says")
  func views() {
    #expect(matrix.transposed().elements == [1, 4, 2, 5, 3, 6])
    #expect(matrix.transposed()[2, 1] == 6)
    #expect(matrix.sliced(axis: 1, 1..<3).elements == [2, 3, 5, 6])
    #expect(matrix.sliced(axis: 0, 1..<2).isContiguous)
    #expect(!matrix.sliced(axis: 1, 0..<2).isContiguous)
    #expect(matrix.reshaped([3, -1]).elements == matrix.elements)
    #expect(matrix.transposed().transposed().isContiguous)
  }

  @Test("writing to a view changes neither the view's source nor its other views")
  func writingToViews() {
    var view = matrix.sliced(axis: 0, 1..<2)
    view.withMutableElements { $0[0] = 0 }
    #expect(view.elements == [0, 5, 6])
    #expect(matrix.elements == [1, 2, 3, 4, 5, 6])
  }

  @Test("a strided copy equals element-by-element reading, at every rank")
  func stridedCopies() {
    var random = RandomStream(seed: 3)
    let tensor = random.normal([3, 4, 5, 18])
    for order in [[3, 2, 1, 0], [0, 2, 1, 3], [1, 0, 3, 2], [0, 1, 3, 2]] {
      let view = tensor.permuted(order)
      let plain = view.elements
      var place = 0
      for a in 0..<view.shape[0] {
        for b in 0..<view.shape[1] {
          for c in 0..<view.shape[2] {
            for d in 0..<view.shape[3] {
              #expect(plain[place] == view[a, b, c, d])
              place += 1
            }
          }
        }
      }
    }
  }

  @Test("a shape broadcasts by its trailing axes")
  func broadcasting() {
    #expect(Shape([4, 1, 3]).broadcast(with: [2, 1]) == [4, 2, 3])
    #expect(Shape([2, 3]).broadcast(with: [4]) == nil)
    #expect(Shape([]).broadcast(with: [2]) == [2])
  }

  @Test("freed buffers are used again")
  func pooling() {
    func touch() -> UInt {
      Tensor([1000, 1000], repeating: 1).withElements { UInt(bitPattern: $0) }
    }
    let first = touch()
    #expect(touch() == first)
  }

  @Test("a shape and elements that do not fit trap with both numbers")
  func mismatchTraps() async {
    await #expect(processExitsWith: .failure) { _ = Tensor([2, 2], elements: [1]) }
  }
}

@Suite("RandomStream: numbers that follow from (seed, label, counter, place)")
struct RandomStreamTests {
  @Test("Philox 4×32-10 gives its published first block")
  func published() {
    // Counter and key zero (Salmon et al., known-answer tests): 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
    var stream = RandomStream(seed: 0)
    #expect(stream.next() == 0xe169_c58d_6627_e8d5)
    #expect(stream.next() == 0x9b00_dbd8_bc57_ac4c)
  }

  @Test("the same name gives the same numbers; another seed, label or counter gives others")
  func independence() {
    func draw(_ seed: UInt64, _ label: String, _ counter: Int) -> [UInt64] {
      var stream = RandomStream(seed: seed).derived(label, counter)
      return (0..<4).map { _ in stream.next() }
    }
    let all = [draw(1, "a", 0), draw(2, "a", 0), draw(1, "b", 0), draw(1, "a", 1)]
    #expect(Set(all).count == 4)
    #expect(draw(1, "a", 0) == all[0])
  }

  @Test("normal numbers have mean 0, variance 1 and fourth moment 3")
  func normalMoments() {
    var stream = RandomStream(seed: 5)
    let x = stream.normal([200_001]).elements.map(Double.init)
    let count = Double(x.count)
    #expect(abs(x.reduce(0, +) / count) < 0.01)
    #expect(abs(x.reduce(0) { $0 + $1 * $1 } / count - 1) < 0.015)
    #expect(abs(x.reduce(0) { $0 + $1 * $1 * $1 * $1 } / count - 3) < 0.12)
  }

  @Test("uniform numbers lie in [0, 1), whole numbers below their bound, orders are permutations")
  func ranges() {
    var stream = RandomStream(seed: 6)
    let x = stream.uniform([10_000]).elements
    #expect(x.allSatisfy { $0 >= 0 && $0 < 1 })
    #expect(abs(x.reduce(0, +) / 10_000 - 0.5) < 0.02)
    var counts = [Int](repeating: 0, count: 7)
    for _ in 0..<7000 { counts[stream.integer(below: 7)] += 1 }
    #expect(counts.allSatisfy { abs($0 - 1000) < 150 })
    let order = stream.permutation(100)
    #expect(order.sorted() == Array(0..<100))
    #expect(order != Array(0..<100))
  }
}
