/// Which elements share one scale. Every group but a block is a contiguous run of elements.
public enum Granularity: Hashable, Sendable {
  /// All of a tensor.
  case tensor
  /// One output channel of a weight: a slice of `[out, …]` along the first axis.
  case channel
  /// One token of an activation: a row of `[…, features]`.
  case token
  /// So many neighbors along the last axis, which the size must divide.
  case group(Int)
  /// One attention head of `[…, heads · size]`: `size` neighbors along the last axis.
  case head(size: Int)
  /// A rectangle of a matrix.
  case block(rows: Int, columns: Int)
}

extension Granularity: LosslessStringConvertible {
  /// `tensor`, `channel`, `token`, `group-32`, `head-64`, `block-128x128`.
  public var description: String {
    switch self {
    case .tensor: "tensor"
    case .channel: "channel"
    case .token: "token"
    case .group(let size): "group-\(size)"
    case .head(let size): "head-\(size)"
    case .block(let rows, let columns): "block-\(rows)x\(columns)"
    }
  }

  public init?(_ text: String) {
    let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    let sizes =
      parts.count == 2
      ? parts[1].split(separator: "x", omittingEmptySubsequences: false).compactMap { Int($0) } : []
    guard sizes.allSatisfy({ $0 > 0 }) else { return nil }
    switch (parts[0], sizes.count, parts.count) {
    case ("tensor", 0, 1): self = .tensor
    case ("channel", 0, 1): self = .channel
    case ("token", 0, 1): self = .token
    case ("group", 1, 2): self = .group(sizes[0])
    case ("head", 1, 2): self = .head(size: sizes[0])
    case ("block", 2, 2): self = .block(rows: sizes[0], columns: sizes[1])
    default: return nil
    }
    guard description == text else { return nil }
  }

  /// How names are written, for messages.
  public static let forms = ["tensor", "channel", "token", "group-32", "head-64", "block-128x128"]
}

extension Granularity: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let value = Granularity(text) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "'\(text)' is no granularity")
    }
    self = value
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}
