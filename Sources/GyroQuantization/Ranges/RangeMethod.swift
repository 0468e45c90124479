/// How a range is found: what a recipe names.
///
/// `min-max`, `moving-average`, `percentile-99.99`, `entropy`, `mse`, `mse-golden`, `clip-search`,
/// `aciq`, `aciq-gaussian`, `aciq-laplace`, `batch-norm`, `cross-entropy`. A number after a name
/// replaces the published default: `moving-average-0.99`, `batch-norm-4`.
public enum RangeMethod: Hashable, Sendable {
  /// From the least to the largest value seen (2004.09602 §5.1, max).
  case minMax
  /// The extremes of each batch, averaged: `new = momentum · old + (1 − momentum) · batch`; the
  /// first batch starts it (2106.08295 §3.1).
  case movingAverage(momentum: Float = 0.9)
  /// All but the largest `100 − percent` % (2004.09602 §5.1).
  case percentile(_ percent: Double)
  /// The threshold whose quantized histogram diverges least from the histogram (2004.09602 §5.1).
  case entropy
  /// The least mean squared error (2106.08295 §3.1).
  case meanSquare(_ search: LineSearch = .grid)
  /// The least |error|^2.4 among the range shrunk in steps of 1 %, 80 of them (GPTQ 2210.17323,
  /// SpinQuant 2405.16406).
  case clipSearch
  /// The closed form of 1810.05723 for a Gaussian or a Laplace distribution.
  case analytic(_ distribution: AnalyticClip.Distribution? = nil)
  /// From the batch norm before it: `min(β − αγ) … max(β + αγ)` (1906.04721 §4.2.2).
  case batchNorm(alpha: Float = 6)
  /// For logits: the least cross-entropy between the softmax with and without quantization
  /// (2106.08295 §3.1).
  case crossEntropy

  /// How a minimum along a line is looked for.
  public enum LineSearch: Hashable, Sendable {
    /// Steps of 1 % of the data's range, then of 0.1 % around the best; along each end of an
    /// asymmetric range. A histogram's bins are the steps of a symmetric one.
    case grid
    /// Golden section.
    case goldenSection
  }

  /// How methods are written, for messages.
  public static let forms = [
    "min-max", "moving-average", "percentile-99.99", "entropy", "mse", "mse-golden", "clip-search",
    "aciq", "aciq-gaussian", "aciq-laplace", "batch-norm", "cross-entropy",
  ]
}

extension RangeMethod: LosslessStringConvertible {
  public var description: String {
    switch self {
    case .minMax: "min-max"
    case .movingAverage(let momentum): Self.text("moving-average", momentum, default: 0.9)
    case .percentile(let percent): "percentile-" + Self.plain("\(percent)")
    case .entropy: "entropy"
    case .meanSquare(.grid): "mse"
    case .meanSquare(.goldenSection): "mse-golden"
    case .clipSearch: "clip-search"
    case .analytic(nil): "aciq"
    case .analytic(let distribution?): "aciq-\(distribution.rawValue)"
    case .batchNorm(let alpha): Self.text("batch-norm", alpha, default: 6)
    case .crossEntropy: "cross-entropy"
    }
  }

  /// The method of a name; nil when there is none or its number is out of range.
  public init?(_ text: String) {
    guard let method = try? Self.parse(text) else { return nil }
    self = method
  }

  /// The method of a name.
  /// - Throws: `RangeError.unknownMethod`, or the error of a number that is out of range.
  public static func parse(_ text: String) throws(RangeError) -> RangeMethod {
    if let plain = plainNames[text] { return plain }
    for prefix in ["percentile-", "moving-average-", "batch-norm-"] where text.hasPrefix(prefix) {
      guard let number = Double(text.dropFirst(prefix.count)) else { break }
      let method: RangeMethod =
        switch prefix {
        case "percentile-": .percentile(number)
        case "moving-average-": .movingAverage(momentum: Float(number))
        default: .batchNorm(alpha: Float(number))
        }
      try method.validate()
      return method
    }
    throw .unknownMethod(text)
  }

  private static let plainNames: [String: RangeMethod] = [
    "min-max": .minMax, "moving-average": .movingAverage(), "entropy": .entropy,
    "mse": .meanSquare(.grid), "mse-golden": .meanSquare(.goldenSection),
    "clip-search": .clipSearch, "aciq": .analytic(), "aciq-gaussian": .analytic(.gaussian),
    "aciq-laplace": .analytic(.laplace), "batch-norm": .batchNorm(),
    "cross-entropy": .crossEntropy,
  ]

  /// - Throws: `RangeError` for a number that is out of range.
  func validate() throws(RangeError) {
    switch self {
    case .percentile(let percent):
      guard percent > 0, percent <= 100 else { throw .percentile(percent) }
    case .movingAverage(let momentum):
      guard momentum >= 0, momentum < 1 else { throw .momentum(momentum) }
    case .batchNorm(let alpha):
      guard alpha > 0, alpha.isFinite else { throw .alpha(alpha) }
    case .minMax, .entropy, .meanSquare, .clipSearch, .analytic, .crossEntropy: return
    }
  }

  private static func text(_ name: String, _ value: Float, default usual: Float) -> String {
    value == usual ? name : name + "-" + plain("\(value)")
  }

  /// A number without the `.0` of a whole one.
  private static func plain(_ number: String) -> String {
    number.hasSuffix(".0") ? String(number.dropLast(2)) : number
  }
}

extension RangeMethod: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    do {
      self = try Self.parse(try container.decode(String.self))
    } catch let error as RangeError {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "\(error)")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
