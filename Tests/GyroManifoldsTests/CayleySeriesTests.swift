import CGyroKernels
import GyroManifolds
import GyroTensors
import TestSupport
import Testing

/// The Float32 arithmetic of square rotations against Float64.
@Suite struct CayleySeriesTests {
  static func rotation(_ n: Int) throws -> Tensor {
    try Stiefel().projected(StiefelLawTests.random(n, n, 1)).tensor
  }

  @Test(
    "The body-frame gradient is ½(RᵀG − GᵀR), skew-symmetric to the last bit",
    arguments: [1, 5, 32, 75])
  func direction(_ n: Int) throws {
    let point = try Self.rotation(n)
    let gradient = StiefelLawTests.random(n, n, 2)
    let found = BodyFrame.direction(of: gradient.tensor, at: point, scale: 0.5)
    let product = Matrix64(point).matmul(gradient, transposingSelf: true)
    expectClose(
      found, (0.25 * (product - product.transposed())).tensor, relative: 0, absolute: 2e-5)
    expectSame(found.elements, (found.transposed().contiguous() * -1).elements)
    var memory = found
    BodyFrame.accumulate(&memory, gradient: gradient.tensor, at: point, scale: 0.5, keeping: 0.5)
    expectClose(memory, found * 1.5, relative: 1e-6, absolute: 1e-6)
    expectSame(memory.elements, (memory.transposed().contiguous() * -1).elements)
  }

  @Test("Kernels equal their plain references", arguments: [1, 15, 16, 31, 64, 97])
  func kernels(_ n: Int) {
    var stream = RandomStream(seed: 3)
    let a = stream.normal([n, n])
    for keep in [Float(0), 0.9] {
      var (fast, plain) = (stream.normal([n, n]), Tensor.zeros([0]))
      plain = fast
      a.withElements { a in
        fast.withMutableElements { gyro_skew_part(a, Int64(n), 0.3, keep, $0) }
        plain.withMutableElements { gyro_reference_skew_part(a, Int64(n), 0.3, keep, $0) }
      }
      expectSameBits(fast, plain)
    }
    var (fast, plain) = (gyro_row_extremes(), gyro_row_extremes())
    a.withElements {
      gyro_row_extremes_of($0, Int64(n), Int64(n), &fast)
      gyro_reference_row_extremes_of($0, Int64(n), Int64(n), &plain)
    }
    #expect(fast.magnitude == plain.magnitude)
    #expect(abs(fast.magnitude_sum - plain.magnitude_sum) <= 1e-5 * plain.magnitude_sum)
    #expect(abs(fast.square_sum - plain.square_sum) <= 1e-5 * plain.square_sum)
    var holed = a
    holed.withMutableElements { $0[n * n / 2] = .nan }
    holed.withElements { gyro_row_extremes_of($0, Int64(n), Int64(n), &fast) }
    #expect(fast.magnitude.isNaN && fast.magnitude_sum.isNaN && fast.square_sum.isNaN)
  }

  @Test("A step is R·cayley(tΩ) and stays orthogonal, from tiny to far beyond the clamp")
  func steps() throws {
    var terms: Set<Int> = []
    for (n, isConcentrated) in [(64, false), (64, true), (33, false), (5, false)] {
      let start = try Self.rotation(n)
      var skew = Tensor.zeros([n, n])
      if isConcentrated {
        skew.withMutableElements { ($0[1], $0[n]) = (1, -1) }
      } else {
        skew = BodyFrame.direction(of: StiefelLawTests.random(n, n, 2).tensor, at: start)
      }
      let norm = BodyFrame.norm(skew)
      for length in [0, 1e-6, 1e-3, 0.05, 0.5, 1, 4, -0.5] {
        var point = start
        let course = CayleySeries().move(&point, along: skew, by: length / norm)
        terms.insert(course.terms)
        let exact = try Stiefel().rotated(
          Matrix64(start), along: Matrix64(skew), by: length / norm)
        // As many bits of the step as its products have, and the rounding of R.
        let error = (Matrix64(point) - exact).largestMagnitude
        #expect(error <= 1e-7 + 1e-5 * abs(length), "n \(n), length \(length): \(course)")
        #expect(OrthogonalityReport(of: point).largest < 1e-6)
        if length == 0 { expectSameBits(point, start) }
      }
    }
    #expect(terms.isSuperset(of: [0, 1, 2]), "exact, one and two terms: \(terms)")
  }

  @Test(
    "Two hundred steps at the clamp leave a rotation, with spread and with concentrated directions")
  func drift() throws {
    let n = 48
    for isConcentrated in [false, true] {
      var stream = RandomStream(seed: 9)
      var point = try Self.rotation(n)
      for step in 0..<200 {
        var skew = BodyFrame.direction(of: stream.normal([n, n]), at: point)
        if isConcentrated {
          skew = Tensor.zeros([n, n])
          let (i, j) = (step % n, (step * 7 + 1) % n)
          if i == j { continue }
          skew.withMutableElements { ($0[i * n + j], $0[j * n + i]) = (1, -1) }
        }
        CayleySeries().move(&point, along: skew, by: -0.5 / BodyFrame.norm(skew))
      }
      #expect(OrthogonalityReport(of: point).largest < 5e-6)
    }
  }

  @Test("Typical steps take two terms and cheap products; the course says so")
  func course() throws {
    let n = 160
    var point = try Self.rotation(n)
    let skew = BodyFrame.direction(of: StiefelLawTests.random(n, n, 2).tensor, at: point)
    let course = CayleySeries().move(&point, along: skew, by: 0.2 / BodyFrame.norm(skew))
    #expect(course.terms == 2 && course.pieces[0] == 2)
    #expect(course.description.hasPrefix("2 terms, products of 2, "))
    #expect(
      CayleySeries().move(&point, along: skew, by: 100).description
        == "exact solution in Float64")
  }

  @Test("A direction that is not finite gives a point that is not a number, not a trap")
  func notFinite() throws {
    var point = try Self.rotation(4)
    CayleySeries().move(&point, along: Tensor([4, 4], repeating: .nan), by: 0.1)
    #expect(point.elements.allSatisfy { $0.isNaN })
  }
}
