import GyroPostTraining
import GyroQuantization
import GyroTensors

/// How fast a layer is rounded by GPTQ: the Hessian of its calibration inputs, the factorization and
/// the column loop, apart. (A peer's run of the same work is `Benchmarks/peers/gptq_torch.py`.)
public struct GPTQBenchmark: Sendable {
  /// One part of the work.
  public struct Figure: Sendable, Encodable {
    /// What was done, e.g. `hessian float32` or `int4 per channel`.
    public let work: String
    /// Median over the repetitions.
    public let seconds: Double
    /// Floating-point operations over the time, counting a product of the inputs with themselves as
    /// if both triangles were computed; 0 where that says little.
    public let gigaflops: Double
  }

  public let repetitions: Int
  /// Rows and columns of the weight.
  public let size: Int
  /// Rows of calibration inputs.
  public let tokens: Int

  public init(repetitions: Int = 5, size: Int = 1024, tokens: Int = 32768) {
    self.repetitions = repetitions
    self.size = size
    self.tokens = tokens
  }

  /// Measures everything. The work of a layer is one Hessian and one rounding.
  public func run() throws -> [Figure] {
    var random = RandomStream(seed: 0).derived("benchmark layer")
    let inputs = random.normal([tokens, size])
    let weight = random.normal([size, size], standardDeviation: 0.02)
    var figures: [Figure] = []
    var hessian = Hessian(size: size)
    for precision in [MatmulPrecision.float32, .tiledFloat32, .splitBFloat16] {
      let work = 2 * Double(tokens) * Double(size * size)
      figures.append(
        try measure("hessian \(precision.rawValue)", work: work) {
          hessian = Hessian(size: size, precision: precision)
          try hessian.accumulate(inputs)
        })
    }
    let channel = try Quantizer(IntegerFormat.int4, .channel)
    let group = try Quantizer(IntegerFormat.int4, .group(128))
    for (name, gptq, quantizer) in [
      ("int4 per channel", GPTQ(), channel),
      ("int4 per channel, act-order", GPTQ(ordersByActivation: true), channel),
      ("int4 per group-128", GPTQ(), group),
    ] {
      figures.append(
        try measure(name, work: 0) {
          _ = try gptq.quantized(weight, hessian: hessian, quantizer: quantizer)
        })
    }
    return figures
  }

  private func measure(
    _ name: String, work: Double, _ body: () throws -> Void
  ) throws -> Figure {
    let clock = ContinuousClock()
    try body()
    let times = try (0..<max(repetitions, 1)).map { _ in
      try clock.measure { try body() } / .seconds(1)
    }.sorted()
    let seconds = times[times.count / 2]
    return Figure(work: name, seconds: seconds, gigaflops: work / seconds / 1e9)
  }
}
