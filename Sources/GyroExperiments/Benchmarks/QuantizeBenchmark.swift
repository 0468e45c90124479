import GyroQuantization
import GyroTensors

/// How fast simulated quantization runs: dynamic min–max, per element, format by granularity.
///
/// The backward pass of these quantizers is the identity and costs nothing, so the figures are those
/// of a forward and a backward pass together.
public struct QuantizeBenchmark: Sendable {
  /// One quantizer on one matrix.
  public struct Figure: Sendable, Encodable {
    /// The number format, with the type of its scales if that is not Float32.
    public let format: String
    public let granularity: String
    /// Median over the repetitions, for each element.
    public let nanosecondsPerElement: Double
    /// The same, with the Float32 values written out as well where the result is codes or units.
    public var nanosecondsWithValues: Double
    /// Bytes that have to be read and written for each element: 4 in (twice where the scale follows
    /// from the whole tensor) and 4 out, or 1 for codes, or 2 for bfloat16 units.
    public let bytesPerElement: Double
    /// Those bytes over the time.
    public let gigabytesPerSecond: Double
  }

  public let repetitions: Int
  /// Rows and columns of the matrix.
  public let size: Int

  public init(repetitions: Int = 20, size: Int = 4096) {
    self.repetitions = repetitions
    self.size = size
  }

  /// Measures everything; the first figure is a plain copy, the floor.
  public func run() throws -> [Figure] {
    var random = RandomStream(seed: 0).derived("benchmark matrices")
    let x = random.normal([size, size])
    var figures = [measure("copy", "", bytes: 8) { x * 1 }]
    for (name, scale, group) in [
      ("int8", ScaleFormat.float32, 32), ("int4", .float32, 32), ("e4m3", .float32, 32),
      ("e2m1", .e4m3, 16),
    ] {
      for granularity in [Granularity.tensor, .channel, .token, .group(group)] {
        figures.append(try measure(name, granularity, scale, x))
      }
    }
    figures.append(try measure("int4", .group(32), .float32, x, isSymmetric: false))
    figures.append(try measure("e2m1", .group(32), .e8m0, x))
    figures.append(try measure("nf4", .group(64), .float32, x))
    return figures
  }

  private func measure(
    _ name: String, _ granularity: Granularity, _ scale: ScaleFormat, _ x: Tensor,
    isSymmetric: Bool = true
  ) throws -> Figure {
    guard let format = FormatNames.format(name) else {
      throw QuantizationError.unknownFormat(name, for: "benchmark")
    }
    let quantizer = try Quantizer(
      format, granularity, scaleFormat: scale, isSymmetric: isSymmetric)
    _ = try quantizer.layout(of: x.shape, named: "benchmark")
    let trial = try quantizer.projected(x)
    let output = trial.wholeGrid != nil ? 1.0 : trial.units != nil ? 2 : 4
    let passes = granularity == .tensor || scale == .e4m3 ? 2.0 : 1
    var label = name
    if !isSymmetric { label += " asymmetric" }
    if scale != .float32 { label += " (\(scale.rawValue) scales)" }
    var figure = measure(label, granularity.description, bytes: 4 * passes + output) {
      try! quantizer.projected(x)  // finite by construction
    }
    // Products run on codes and units; this is what it costs when somebody wants the floats.
    let values = measure(label, granularity.description, bytes: 4 * passes + 2 * output + 4) {
      let result = try! quantizer.projected(x)
      result.withElements { _ in }
      return result
    }
    figure.nanosecondsWithValues = values.nanosecondsPerElement
    return figure
  }

  private func measure(
    _ format: String, _ granularity: String, bytes: Double, _ work: () -> Tensor
  ) -> Figure {
    let clock = ContinuousClock()
    for _ in 0..<2 { _ = work() }
    let times = (0..<max(repetitions, 1)).map { _ in
      clock.measure { _ = work() } / .seconds(1)
    }.sorted()
    let elements = Double(size * size)
    let nanoseconds = times[times.count / 2] / elements * 1e9
    return Figure(
      format: format, granularity: granularity, nanosecondsPerElement: nanoseconds,
      nanosecondsWithValues: nanoseconds,
      bytesPerElement: bytes, gigabytesPerSecond: bytes / nanoseconds)
  }
}
