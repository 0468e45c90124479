/// How keys or values become whole numbers with Float16 scales.
public struct IntegerCacheScheme: Sendable, Hashable, Codable, CustomStringConvertible {
  public enum Grouping: Sendable, Hashable, Codable, CustomStringConvertible {
    /// Each token has a scale for every `channels` neighboring channels of a head (or for the whole
    /// head, if that is smaller).
    case tokens(channels: Int)
    /// Each channel has a scale for `tokens` tokens in a row, which are encoded when there are as
    /// many: outlier channels then cost the others nothing (KIVI 2402.02750). Keys only.
    case channels(tokens: Int)

    public var description: String {
      switch self {
      case .tokens(let channels): "per token and \(channels) channels"
      case .channels(let tokens): "per channel and \(tokens) tokens"
      }
    }
  }

  /// 2, 3, 4 or 8.
  public var bits: Int
  /// Symmetric: scale = largest magnitude / (2^(bits−1) − 1). Else scale and minimum.
  public var isSymmetric: Bool
  public var grouping: Grouping
  /// Newest tokens that stay floats.
  public var window: Int
  /// A rotation before rounding, as SpinQuant's R3 (2405.16406) for keys.
  public var rotation: CacheRotation

  public init(
    bits: Int, isSymmetric: Bool = false, grouping: Grouping = .tokens(channels: 32),
    window: Int = 0, rotation: CacheRotation = .none
  ) {
    self.bits = bits
    self.isSymmetric = isSymmetric
    self.grouping = grouping
    self.window = window
    self.rotation = rotation
  }

  public var description: String {
    "int\(bits) \(isSymmetric ? "symmetric" : "asymmetric") \(grouping), window \(window), "
      + "\(rotation)"
  }

  func check(_ shape: CacheShape) throws(CacheError) {
    guard [2, 3, 4, 8].contains(bits) else {
      throw .option("bits of an integer cache", expected: "2, 3, 4 or 8", got: "\(bits)")
    }
    guard window >= 0 else {
      throw .option("window of an integer cache", expected: "at least 0", got: "\(window)")
    }
    guard shape.headSize.isMultiple(of: 8) else {
      throw .headSize(shape.headSize, multipleOf: 8, scheme: "an integer cache")
    }
    guard shape.headSize <= 4096 else {
      throw .option("head size", expected: "at most 4096", got: "\(shape.headSize)")
    }
    switch grouping {
    case .tokens(let channels):
      let lanes = shape.headSize % 16 == 0 ? 16 : 8
      guard channels >= lanes, channels % lanes == 0,
        channels >= shape.headSize || shape.headSize % channels == 0
      else {
        throw .option(
          "channels of an integer cache's group",
          expected: "a multiple of \(lanes) that divides the head's \(shape.headSize)",
          got: "\(channels)")
      }
    case .channels(let tokens):
      guard (1...256).contains(tokens) else {
        throw .option("tokens of an integer cache's group", expected: "1 to 256", got: "\(tokens)")
      }
    }
  }

  /// What a stored code stands for before scale and offset.
  var levels: PackedRows.Levels {
    let half = isSymmetric ? Float(1 << (bits - 1)) : 0
    return bits == 8 ? .code(plus: -half) : .table((0..<1 << bits).map { Float($0) - half })
  }
}
