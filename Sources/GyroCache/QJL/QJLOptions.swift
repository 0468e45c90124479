/// What happens to a group's outlier channels: the few with the largest norms over 32 tokens.
public enum OutlierTreatment: Sendable, Hashable, Codable {
  /// They are sketched with all others.
  case together
  /// They have a sketch and a norm of their own.
  case apart(channels: Int, rows: Int)
  /// They stay numbers, in Float16.
  case exact(channels: Int)

  /// Outlier channels of each group of 32 tokens and head.
  public var channels: Int {
    switch self {
    case .together: 0
    case .apart(let channels, _), .exact(let channels): channels
    }
  }
}

/// How keys are sketched (QJL, 2406.03482).
public struct QJLOptions: Sendable, Hashable, Codable {
  /// Rows of the sketch, one bit each for every token and head: a multiple of 64.
  public var rows: Int
  public var kind: SketchKind
  /// Divides scores by β_d, so that sketches with orthogonal rows are unbiased too. Normal rows need
  /// no correction.
  public var correctOrthogonalBias: Bool
  public var outliers: OutlierTreatment
  /// The newest tokens that stay floats. Older ones are quantized 32 at a time, so that up to 31 more
  /// may wait.
  public var window: Int
  public var windowPrecision: FloatPrecision
  public var seed: UInt64

  public init(
    rows: Int = 256, kind: SketchKind = .orthogonal, correctOrthogonalBias: Bool = true,
    outliers: OutlierTreatment = .together, window: Int = 128,
    windowPrecision: FloatPrecision = .float16, seed: UInt64 = 0
  ) {
    self.rows = rows
    self.kind = kind
    self.correctOrthogonalBias = correctOrthogonalBias
    self.outliers = outliers
    self.window = window
    self.windowPrecision = windowPrecision
    self.seed = seed
  }

  /// Everything that decides how stored bytes are read.
  var description: String {
    let outliers =
      switch self.outliers {
      case .together: "no outliers"
      case .apart(let channels, let rows): "\(channels) outliers sketched in \(rows) rows"
      case .exact(let channels): "\(channels) outliers in float16"
      }
    return "qjl \(rows) \(kind.rawValue) rows, seed \(seed), \(outliers), "
      + "bias \(correctOrthogonalBias ? "corrected" : "kept"), window \(window) "
      + windowPrecision.rawValue
  }
}

/// The random projections of a cache, shared by all layers and heads of a size.
public struct QJLSketches: Sendable {
  public let keys: Sketch
  /// Of outlier channels that are sketched apart.
  public let outliers: Sketch?

  /// - Throws: `CacheError.sketchLength` unless rows are positive multiples of 64.
  public init(headSize: Int, _ options: QJLOptions) throws(CacheError) {
    keys = try Sketch(
      options.kind, rows: options.rows, columns: headSize, seed: options.seed,
      name: "sketch of keys")
    if case .apart(_, let rows) = options.outliers {
      outliers = try Sketch(
        options.kind, rows: rows, columns: headSize, seed: ~options.seed,
        name: "sketch of outliers")
    } else {
      outliers = nil
    }
  }

  /// The names of the sketches that these options need.
  static func names(headSize: Int, _ options: QJLOptions) -> [String] {
    var result = [Sketch.name(options.kind, options.rows, headSize, options.seed)]
    if case .apart(_, let rows) = options.outliers {
      result.append(Sketch.name(options.kind, rows, headSize, ~options.seed))
    }
    return result
  }

  var names: [String] { [keys.name] + (outliers.map { [$0.name] } ?? []) }

  var bytes: [String: Int] {
    var result = [keys.name: keys.byteCount]
    if let outliers { result[outliers.name] = outliers.byteCount }
    return result
  }
}
