import GyroManifolds
import GyroQuantization
import GyroTensors

/// How fast Hadamard transforms run, per element: alone, in place, and in front of the quantizer
/// that they serve.
public struct HadamardBenchmark: Sendable {
  /// One size.
  public struct Figure: Sendable, Encodable {
    /// Length of a row.
    public let size: Int
    public let rows: Int
    /// What the transform is made of; `copy` for the floor.
    public let construction: String
    /// Median over the repetitions, for each element.
    public let nanosecondsPerElement: Double
    public let inPlaceNanoseconds: Double
    /// The transform and then int4, one scale for each row, to codes; that quantizer alone for the
    /// floor.
    public let withQuantizerNanoseconds: Double
    /// Bytes that have to be read and written for each element: 4 in and 4 out.
    public let bytesPerElement: Double
    /// Those bytes over the time.
    public let gigabytesPerSecond: Double
  }

  public let repetitions: Int
  /// Elements in a matrix, about; rows follow.
  public let elements: Int
  public let sizes: [Int]

  public init(
    repetitions: Int = 20, elements: Int = 4096 * 4096, sizes: [Int] = [1024, 4096, 11008]
  ) {
    self.repetitions = repetitions
    self.elements = elements
    self.sizes = sizes
  }

  /// Measures every size; the first figure is a plain copy, the floor.
  public func run() throws -> [Figure] {
    guard let int4 = FormatNames.format("int4") else {
      throw QuantizationError.unknownFormat("int4", for: "benchmark")
    }
    let quantizer = try Quantizer(int4, .token)
    var random = RandomStream(seed: 0).derived("benchmark matrices")
    var figures: [Figure] = []
    for (index, size) in ([sizes.first ?? 4096] + sizes).enumerated() {
      let rows = max(1, elements / size)
      let x = random.normal([rows, size])
      let transform = HadamardTransform(size: size, signSeed: 1)
      _ = try quantizer.projected(x)
      let isFloor = index == 0
      var own = x.copied()
      let fresh = median(x) { isFloor ? x * 1 : transform.applied(to: x) }
      let inPlace = median(x) {
        if isFloor { own.scale(by: 1) } else { transform.apply(&own) }
      }
      let chain = median(x) {
        // Finite by construction.
        try! quantizer.projected(isFloor ? x : transform.applied(to: x))
      }
      figures.append(
        Figure(
          size: size, rows: rows, construction: isFloor ? "copy" : transform.description,
          nanosecondsPerElement: fresh, inPlaceNanoseconds: inPlace,
          withQuantizerNanoseconds: chain, bytesPerElement: 8, gigabytesPerSecond: 8 / fresh))
    }
    return figures
  }

  /// Nanoseconds for each element of `x`.
  private func median<Result>(_ x: Tensor, _ work: () -> Result) -> Double {
    let clock = ContinuousClock()
    for _ in 0..<2 { _ = work() }
    let times = (0..<max(repetitions, 1)).map { _ in
      clock.measure { _ = work() } / .seconds(1)
    }.sorted()
    return times[times.count / 2] / Double(x.count) * 1e9
  }
}
