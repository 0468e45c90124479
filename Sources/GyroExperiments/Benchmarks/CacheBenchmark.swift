public import GyroCache
import GyroTensors

/// How fast one new token attends to a long context, by what the cache is made of: scores against all
/// keys and the weighted sum of all values.
public struct CacheBenchmark: Sendable {
  /// One cache at one length.
  public struct Figure: Sendable, Encodable {
    public let cache: String
    /// Tokens held by each layer.
    public let tokens: Int
    /// Bytes of a layer's buffers, without what layers share.
    public let bytes: Int
    /// Median over the repetitions, for each layer.
    public let scoresMicroseconds: Double
    public let valuesMicroseconds: Double
    /// How long it takes to read as many bytes of floats once.
    public let floorMicroseconds: Double
    /// Scores and values against those of the Float32 cache.
    public var timesFasterThanFloat32: Double
  }

  /// A cache to measure.
  public struct Candidate: Sendable {
    public let name: String
    let make: @Sendable (CacheShape) throws -> any KeyValueCache

    public init(
      _ name: String, _ make: @escaping @Sendable (CacheShape) throws -> any KeyValueCache
    ) {
      self.name = name
      self.make = make
    }
  }

  public let repetitions: Int
  public let lengths: [Int]
  /// Heads with keys of their own, and query heads for each of them.
  public let keyValueHeads: Int, sharing: Int
  public let headSize: Int
  /// The first is what the others are measured against.
  public let candidates: [Candidate]

  public init(
    repetitions: Int = 20, lengths: [Int] = [4096, 32768], keyValueHeads: Int = 4, sharing: Int = 1,
    headSize: Int = 128,
    candidates: [Candidate] = CacheBenchmark.floats + CacheBenchmark.sketches + CacheBenchmark.codes
  ) {
    self.repetitions = repetitions
    self.lengths = lengths
    self.keyValueHeads = keyValueHeads
    self.sharing = sharing
    self.headSize = headSize
    self.candidates = candidates
  }

  /// Caches that quantize nothing.
  public static let floats = [
    Candidate("float32") { try FloatCache($0) },
    Candidate("float16") { try FloatCache($0, precision: .float16) },
  ]

  /// Sketched keys with values in groups.
  public static let sketches = [
    sketch("qjl 256, values 2 bits", .init(rows: 256), bits: 2),
    sketch("qjl 256, values 4 bits", .init(rows: 256), bits: 4),
    sketch("qjl 512, values 3 bits", .init(rows: 512), bits: 3),
    sketch(
      "qjl 256 + 4 outliers in 128, values 2 bits",
      .init(rows: 256, outliers: .apart(channels: 4, rows: 128)), bits: 2),
    sketch(
      "qjl 256 + 4 outliers in float16, values 2 bits",
      .init(rows: 256, outliers: .exact(channels: 4)), bits: 2),
  ]

  private static func sketch(_ name: String, _ options: QJLOptions, bits: Int) -> Candidate {
    Candidate(name) {
      try CombinedCache(
        keys: QJLKeyCache($0, options), values: GroupValueCache($0, .init(bits: bits)))
    }
  }

  /// Measures every cache at every length.
  public func run() throws -> [Figure] {
    var figures: [Figure] = []
    for tokens in lengths {
      let first = figures.count
      for candidate in candidates {
        var figure = try measure(candidate, tokens: tokens)
        if figures.count > first {
          let reference = figures[first]
          figure.timesFasterThanFloat32 =
            (reference.scoresMicroseconds + reference.valuesMicroseconds)
            / (figure.scoresMicroseconds + figure.valuesMicroseconds)
        }
        figures.append(figure)
      }
    }
    return figures
  }

  private func measure(_ candidate: Candidate, tokens: Int) throws -> Figure {
    let shape = try CacheShape(
      keyValueHeads: keyValueHeads, headSize: headSize, capacity: tokens)
    var random = RandomStream(seed: 0).derived("benchmark keys and values")
    let keys = keys(tokens, width: shape.width, &random)
    let values = random.normal([tokens, shape.width])
    let queries = random.normal([1, sharing * shape.width])
    let weights = random.uniform([1, sharing * keyValueHeads, tokens])
    // Layers follow each other in a model: a short context must not stay in the processor's cache.
    let layers = try (0..<max(1, 32768 / tokens)).map { _ in
      var cache = try candidate.make(shape)
      try cache.append(keys: keys, values: values)
      return cache
    }
    let bytes = layers[0].bytes.own
    let plain = Tensor.ones([layers.count * bytes / 4])
    let count = Double(layers.count)
    return Figure(
      cache: candidate.name, tokens: tokens, bytes: bytes,
      scoresMicroseconds: try median { for layer in layers { _ = try layer.scores(queries) } }
        / count,
      valuesMicroseconds: try median {
        for layer in layers { _ = try layer.weightedValues(weights) }
      } / count,
      floorMicroseconds: median { _ = plain.maximum() } / count, timesFasterThanFloat32: 1)
  }

  /// Normal keys with four channels of each head twenty times as large (of 128), the same for all tokens, as
  /// trained models have them.
  private func keys(_ tokens: Int, width: Int, _ random: inout RandomStream) -> Tensor {
    let sizes = Tensor.filled([width]) { size in
      for channel in 0..<width { size[channel] = channel % headSize % 32 == 5 ? 20 : 1 }
    }
    return random.normal([tokens, width]) * sizes
  }

  private func median(_ work: () throws -> Void) rethrows -> Double {
    let clock = ContinuousClock()
    try work()
    let times = try (0..<max(repetitions, 1)).map { _ in
      try clock.measure { try work() } / .seconds(1)
    }.sorted()
    return times[times.count / 2] * 1e6
  }
}
