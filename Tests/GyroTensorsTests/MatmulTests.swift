import GyroTensors
import Testing

@Suite("Matrix products")
struct MatmulTests {
  /// The product in double precision, and the product of magnitudes that bounds its error.
  private func reference(
    _ a: [Float], _ b: [Float], _ m: Int, _ n: Int, _ k: Int, flipA: Bool, flipB: Bool
  ) -> [(value: Double, bound: Double)] {
    (0..<m * n).map { place in
      let (i, j) = (place / n, place % n)
      var (sum, bound) = (0.0, 0.0)
      for p in 0..<k {
        let x = Double(flipA ? a[p * m + i] : a[i * k + p])
        let y = Double(flipB ? b[j * k + p] : b[p * n + j])
        sum += x * y
        bound += abs(x * y)
      }
      return (sum, bound)
    }
  }

  @Test(
    "equal double precision within the error of their arithmetic, either side transposed",
    arguments: [(1, 1, 1), (1, 33, 64), (3, 17, 5), (64, 48, 172), (130, 65, 257)])
  func allForms(_ m: Int, _ n: Int, _ k: Int) {
    var random = RandomStream(seed: UInt64(m * n + k))
    for (flipA, flipB) in [(false, false), (false, true), (true, false), (true, true)] {
      let a = random.normal(flipA ? [k, m] : [m, k])
      let b = random.normal(flipB ? [n, k] : [k, n])
      let expected = reference(a.elements, b.elements, m, n, k, flipA: flipA, flipB: flipB)
      for (precision, unit) in [
        (MatmulPrecision.float32, 4e-7), (.tiledFloat32, 4e-7), (.splitBFloat16, 2e-5),
      ] {
        let c = a.matmul(
          b, transposingSelf: flipA, transposingOther: flipB, precision: precision)
        #expect(c.shape == [m, n])
        for (got, want) in zip(c.elements, expected) {
          #expect(abs(Double(got) - want.value) <= unit * want.bound + 1e-12)
        }
      }
    }
  }

  @Test("a transposed view multiplies like its copy")
  func transposedViews() {
    var random = RandomStream(seed: 4)
    let a = random.normal([7, 5]), b = random.normal([7, 6])
    #expect(a.transposed().matmul(b).elements == a.matmul(b, transposingSelf: true).elements)
    #expect(
      b.transposed().matmul(a.transposed(), transposingOther: true).elements
        == b.matmul(a, transposingSelf: true).elements)
  }

  @Test("stacks multiply matrix by matrix; a stack times one matrix treats leading axes as rows")
  func stacks() {
    var random = RandomStream(seed: 5)
    let a = random.normal([3, 4, 5]), b = random.normal([3, 5, 6]), w = random.normal([2, 5])
    let product = a.matmul(b)
    for index in 0..<3 {
      let single = a.sliced(axis: 0, index..<index + 1).reshaped([4, 5])
        .matmul(b.sliced(axis: 0, index..<index + 1).reshaped([5, 6]))
      let part = product.sliced(axis: 0, index..<index + 1).reshaped([4, 6])
      for (x, y) in zip(part.elements, single.elements) { #expect(abs(x - y) < 1e-5) }
    }
    #expect(a.matmul(w, transposingOther: true).shape == [3, 4, 2])
  }

  @Test("shapes that do not fit trap and name both")
  func mismatchTraps() async {
    await #expect(processExitsWith: .failure) {
      _ = Tensor.ones([2, 3]).matmul(Tensor.ones([4, 5]))
    }
  }
}
