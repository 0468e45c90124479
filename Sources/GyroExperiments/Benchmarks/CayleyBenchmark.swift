import GyroManifolds
import GyroModels
import GyroOptimization
import GyroTensors

/// How fast a square rotation learns: one step of a rule, given the gradient, and what the steps leave
/// of orthogonality.
public struct CayleyBenchmark: Sendable {
  /// One rule on one size.
  public struct Figure: Sendable, Encodable {
    public let rule: String
    /// Rows and columns of the rotation.
    public let size: Int
    /// Median over the repetitions.
    public let millisecondsPerStep: Double
    /// max|R·Rᵀ − I| and max|RᵀR − I| after the steps, without projection.
    public let rowResidual: Double
    public let columnResidual: Double
    /// Steps behind the residuals.
    public let steps: Int
  }

  public let repetitions: Int
  public let sizes: [Int]
  /// Steps with fresh random gradients before the residuals are taken; at least the repetitions.
  public let steps: Int

  public init(repetitions: Int = 9, sizes: [Int] = [512, 1024, 2048], steps: Int = 20) {
    self.repetitions = max(repetitions, 1)
    self.sizes = sizes
    self.steps = max(steps, self.repetitions + Self.warmup)
  }

  private static let warmup = 2

  /// Measures the rules on each size, the published one only up to 512 (it is worked out in Float64).
  public func run() throws -> [Figure] {
    try sizes.flatMap { size in
      var rules: [any UpdateRule] = [CayleySGD(), CayleySGD(momentum: 0.9), CayleyAdam()]
      if size <= 512 { rules.append(CayleySGD.published) }
      return try rules.map { try measure($0, size) }
    }
  }

  /// Gradients of independent normal numbers of deviation 1e-3, at the published rate of 1.5.
  private func measure<Rule: UpdateRule>(_ rule: Rule, _ size: Int) throws -> Figure {
    var random = RandomStream(seed: 0).derived("benchmark rotations", size)
    let shape: Shape = [size, size]
    let parameter = Parameter(path: "rotation", shape: shape, kind: .linear)
    var point = try Stiefel().orthonormalized(Matrix64(random.normal(shape))).tensor
    var state = rule.makeState(for: parameter)
    let clock = ContinuousClock()
    var times: [Double] = []
    for step in 0..<steps {
      let gradient = random.normal(shape, standardDeviation: 1e-3)
      let time = clock.measure {
        rule.update(
          &point, gradient: gradient, gradientScale: 1, state: &state, rate: 1.5, of: parameter)
      }
      if step >= Self.warmup, times.count < repetitions { times.append(time / .milliseconds(1)) }
    }
    let report = OrthogonalityReport(of: point)
    return Figure(
      rule: rule.description, size: size, millisecondsPerStep: times.sorted()[times.count / 2],
      rowResidual: report.rows, columnResidual: report.columns ?? report.rows, steps: steps)
  }
}
