import GyroQuantization
import GyroTensors

/// How fast matrix products run, at the shapes of the training workload.
public struct MatmulBenchmark: Sendable {
  /// One product `[m, k] · [n, k]ᵀ`.
  public struct Figure: Sendable, Encodable {
    public let name: String
    public let m: Int, n: Int, k: Int
    /// Median over the repetitions.
    public let seconds: Double
    /// Billions of multiplications and additions per second, each counted.
    public let gigaOperationsPerSecond: Double
  }

  public let repetitions: Int

  public init(repetitions: Int = 20) { self.repetitions = repetitions }

  /// The shapes: feed-forward up and down, attention, vocabulary.
  public static let shapes = [
    (m: 2048, n: 1376, k: 512), (m: 2048, n: 512, k: 1376), (m: 2048, n: 512, k: 512),
    (m: 2048, n: 4096, k: 512),
  ]

  /// Measures one shape in Float32, in bfloat16 pieces and in int8.
  public func run(m: Int, n: Int, k: Int) throws -> [Figure] {
    var random = RandomStream(seed: 0).derived("benchmark matrices")
    let a = random.normal([m, k])
    let b = random.normal([n, k])
    let rows = try Quantizer(IntegerFormat.int8, .token)
    let (codesA, codesB) = try (rows.projected(a), rows.projected(b))
    let floats = MatmulPrecision.allCases.map { precision in
      measure(precision.rawValue, m, n, k) {
        a.matmul(b, transposingOther: true, precision: precision)
      }
    }
    return floats + [
      measure("int8", m, n, k) { codesA.matmul(codesB, transposingOther: true) },
      measure("int8 with rounding", m, n, k) {
        let rounded = try! rows.projected(a)  // finite by construction
        return rounded.matmul(codesB, transposingOther: true)
      },
    ]
  }

  private func measure(
    _ name: String, _ m: Int, _ n: Int, _ k: Int, _ product: () -> Tensor
  ) -> Figure {
    let clock = ContinuousClock()
    for _ in 0..<3 { _ = product() }
    let times = (0..<max(repetitions, 1)).map { _ in
      clock.measure { _ = product() } / .seconds(1)
    }.sorted()
    let median = times[times.count / 2]
    return Figure(
      name: name, m: m, n: n, k: k, seconds: median,
      gigaOperationsPerSecond: 2 * Double(m) * Double(n) * Double(k) / median / 1e9)
  }
}
