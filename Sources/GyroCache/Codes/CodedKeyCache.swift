public import GyroTensors

/// Keys as codes of a scheme.
public struct CodedKeyCache<Codes: TokenCodes>: KeyCache {
  private var tokens: CodedTokens<Codes>

  /// - Throws: `CacheError` when the scheme cannot code heads of this size.
  public init(_ shape: CacheShape, _ scheme: Codes.Scheme) throws(CacheError) {
    tokens = CodedTokens(try Codes(shape, scheme))
  }

  public var shape: CacheShape { tokens.shape }
  public var length: Int { tokens.length }
  /// How many of the tokens are codes; the others, newer, are floats.
  public var encodedLength: Int { tokens.encoded }
  var codes: Codes { tokens.codes }
  /// What attention scores without ever writing it out: `[length, keyValueHeads · headSize]`.
  public func decoded() -> Tensor { tokens.decoded() }

  public func check(_ keys: Tensor) throws(CacheError) { try tokens.check(keys, "keys") }

  public mutating func append(_ keys: Tensor) throws(CacheError) {
    try check(keys)
    tokens.append(keys)
  }

  public func scores(_ queries: Tensor) throws(CacheError) -> Tensor {
    try tokens.scores(queries)
  }

  public var bytes: CacheBytes { tokens.bytes }
  public var fingerprint: String { tokens.fingerprint }
  public var snapshot: CacheSnapshot { tokens.snapshot }
  public mutating func restore(_ snapshot: CacheSnapshot) throws(CacheError) {
    try tokens.restore(snapshot)
  }
  public static var law: String { Codes.law }
}
