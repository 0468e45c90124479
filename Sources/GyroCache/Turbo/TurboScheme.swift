/// How TurboQuant codes a head's row (2504.19874): the row is rotated, so that whatever it was its
/// coordinates are nearly normal, and each coordinate becomes the nearest of 2^bits levels. There is
/// no scale but the row's norm.
public struct TurboScheme: Sendable, Hashable, Codable, CustomStringConvertible {
  public enum Estimator: String, Sendable, Hashable, Codable, CaseIterable {
    /// Least squared error. Inner products shrink: E⟨y, x̃⟩ = (1 − D)⟨y, x⟩.
    case squaredError = "mse"
    /// One bit of each coordinate goes to the signs of a random sketch of the residual: inner
    /// products are unbiased, and noisier.
    case innerProduct = "prod"
  }

  /// Channels with more bits than the others: those of largest norm in the first tokens.
  public struct Outliers: Sendable, Hashable, Codable {
    /// Of each head; a quarter of the head when nil. They and the others must be multiples of 8.
    public var channels: Int?
    public var bits: Int
    /// Tokens that are looked at; until there are as many they stay floats.
    public var tokens: Int

    public init(channels: Int? = nil, bits: Int, tokens: Int = 32) {
      self.channels = channels
      self.bits = bits
      self.tokens = tokens
    }
  }

  /// Bits of a coordinate, 1 to 4; of those that are not outliers.
  public var bits: Int
  public var estimator: Estimator
  public var outliers: Outliers?
  public var rotation: CacheRotation
  /// Of the sketch.
  public var seed: UInt64

  public init(
    bits: Int, estimator: Estimator = .squaredError, outliers: Outliers? = nil,
    rotation: CacheRotation = .orthogonal(seed: 0), seed: UInt64 = 0
  ) {
    self.bits = bits
    self.estimator = estimator
    self.outliers = outliers
    self.rotation = rotation
    self.seed = seed
  }

  /// 2.5 bits: a quarter of the channels at 3 bits, the others at 2, each instance with a norm (with
  /// heads of 128 exactly 2.5 bits a number).
  public static let mixed2 = TurboScheme(bits: 2, outliers: Outliers(bits: 3))
  /// 3.5 bits: a quarter of the channels at 4 bits, the others at 3.
  public static let mixed3 = TurboScheme(bits: 3, outliers: Outliers(bits: 4))

  public var description: String {
    let extra = outliers.map {
      ", \($0.channels.map(String.init) ?? "a quarter of the") outlier channels of \($0.tokens) "
        + "tokens at \($0.bits) bits"
    }
    return "turbo \(estimator.rawValue) \(bits) bits\(extra ?? ""), \(rotation), sketch \(seed)"
  }

  /// The sizes and bits of the independent instances for heads of `size`: outliers first.
  func instances(headSize size: Int) throws(CacheError) -> [(width: Int, bits: Int)] {
    func require(_ bits: Int, _ name: String) throws(CacheError) {
      guard (1...4).contains(bits) else {
        throw .option("\(name) of turbo", expected: "1 to 4", got: "\(bits)")
      }
    }
    try require(bits, "bits")
    guard size >= 8, size.isMultiple(of: 8) else {
      throw .headSize(size, multipleOf: 8, scheme: "turbo")
    }
    guard let outliers else { return [(size, bits)] }
    try require(outliers.bits, "outlier bits")
    guard outliers.tokens >= 1 else {
      throw .option("outlier tokens of turbo", expected: "at least 1", got: "\(outliers.tokens)")
    }
    guard let channels = outliers.channels else {
      guard size.isMultiple(of: 32) else {
        throw .headSize(size, multipleOf: 32, scheme: "turbo with a quarter of outliers")
      }
      return [(size / 4, outliers.bits), (size - size / 4, bits)]
    }
    guard (8..<size).contains(channels), channels.isMultiple(of: 8) else {
      throw .option(
        "outlier channels of turbo", expected: "a multiple of 8 below \(size)", got: "\(channels)")
    }
    return [(channels, outliers.bits), (size - channels, bits)]
  }
}
