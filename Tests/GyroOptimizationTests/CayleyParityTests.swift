import Foundation
import GyroManifolds
import GyroModels
import GyroOptimization
import GyroTensors
import TestSupport
import Testing

/// The published optimizer, against an independent reference (Goldens/cayley_parity.py).
@Suite struct CayleyParityTests {
  struct Golden: Decodable {
    struct Case: Decodable, Sendable, CustomTestStringConvertible {
      let name: String
      let rows: Int, columns: Int
      /// Steps in which the point is replaced by its QR factor.
      let factorized: [Int]
      let start: [Float], a: [Float], b: [Float]
      /// The point after so many steps, in double precision.
      let float64: [String: [Float]]
      /// The last point of the Float32 reference.
      let float32: [Float]
      var testDescription: String { name }
    }
    let steps: Int
    let rate: Double
    let cases: [Case]
  }

  static let golden: Golden = {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Goldens/cayley_parity.json")
    return try! JSONDecoder().decode(Golden.self, from: Data(contentsOf: file))
  }()

  /// A seed whose draws fall on exactly these steps.
  static func seed(_ path: ParameterPath, factorizing steps: [Int]) -> UInt64? {
    (UInt64(0)..<20_000).first { seed in
      (0..<golden.steps).allSatisfy {
        CayleySGD.publishedFactorizes(path, step: $0, seed: seed) == steps.contains($0)
      }
    }
  }

  /// Walks down ½‖X·A − B‖² and returns the points after each step.
  static func walk(_ item: Golden.Case, _ rule: CayleySGD, scale: Double = 1) throws -> [Tensor] {
    let shape: Shape = [item.rows, item.columns]
    let a = Matrix64(Tensor([item.columns, item.columns], elements: item.a))
    let b = Matrix64(Tensor(shape, elements: item.b))
    let path = ParameterPath(item.name)
    var store = ParameterStore()
    store.declare(path, Tensor(shape, elements: item.start), kind: .linear)
    var optimizer = try Optimizer([("*", rule)], for: store)
    let schedule = try Schedule(.cosine, peak: golden.rate, steps: golden.steps)
    var points: [Tensor] = []
    for step in 0..<golden.steps {
      let departure = Matrix64(store[path]).matmul(a) - b
      var gradients = Gradients()
      gradients[path] = ((1 / scale) * departure.matmul(a, transposingOther: true)).tensor
      try optimizer.step(&store, gradients, rate: schedule(step), gradientScale: scale)
      points.append(store[path])
    }
    return points
  }

  @Test("Twenty published steps equal the reference to 1e-5", arguments: golden.cases)
  func parity(_ item: Golden.Case) throws {
    let path = ParameterPath(item.name)
    let seed = try #require(Self.seed(path, factorizing: item.factorized))
    let points = try Self.walk(item, .published(seed: seed))
    for (step, expected) in item.float64 {
      expectClose(
        points[Int(step)! - 1].elements, expected, relative: 0, absolute: 1e-5, "step \(step)")
    }
    expectClose(points.last!.elements, item.float32, relative: 0, absolute: 1e-5)
    let scaled = try Self.walk(item, .published(seed: seed), scale: 0.25)
    expectSameBits(scaled.last!, points.last!)
  }

  @Test("The factorization matters: without it the trajectory is another one")
  func factorization() throws {
    let item = try #require(Self.golden.cases.first { !$0.factorized.isEmpty })
    let path = ParameterPath(item.name)
    let seed = try #require(Self.seed(path, factorizing: []))
    let points = try Self.walk(item, .published(seed: seed))
    let expected = item.float64[String(Self.golden.steps)]!
    let distance = zip(points.last!.elements, expected).map { abs($0 - $1) }.max()!
    #expect(distance > 1e-4)
  }

  @Test("The published step leaves the manifold, this rule does not")
  func departure() throws {
    let item = try #require(Self.golden.cases.first { $0.name == "undisturbed8" })
    let published = try #require(try Self.walk(item, .published).last)
    #expect(OrthogonalityReport(of: published).largest > 1e-3)
    var start = item
    start = try Self.projected(item)
    let kept = try #require(try Self.walk(start, CayleySGD(clamp: 1)).last)
    #expect(OrthogonalityReport(of: kept).largest < 2e-6)
  }

  static func projected(_ item: Golden.Case) throws -> Golden.Case {
    let shape: Shape = [item.rows, item.columns]
    return Golden.Case(
      name: item.name, rows: item.rows, columns: item.columns, factorized: item.factorized,
      start: try Stiefel().projected(Tensor(shape, elements: item.start)).elements, a: item.a,
      b: item.b, float64: item.float64, float32: item.float32)
  }

  @Test("The draw has probability 1/101, and depends on seed, path and step")
  func draws() {
    let draws = (0..<4040).map { CayleySGD.publishedFactorizes("r1", step: $0, seed: 3) }
    let count = draws.count { $0 }
    #expect((20...65).contains(count))
    #expect(draws != (0..<4040).map { CayleySGD.publishedFactorizes("r1", step: $0, seed: 4) })
    #expect(draws != (0..<4040).map { CayleySGD.publishedFactorizes("r2", step: $0, seed: 3) })
  }
}
