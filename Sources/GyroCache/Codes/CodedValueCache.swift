public import GyroTensors

/// Values as codes of a scheme.
public struct CodedValueCache<Codes: TokenCodes>: ValueCache {
  private var tokens: CodedTokens<Codes>

  /// - Throws: `CacheError` when the scheme cannot code heads of this size, or no values.
  public init(_ shape: CacheShape, _ scheme: Codes.Scheme) throws(CacheError) {
    let codes = try Codes(shape, scheme)
    guard codes.holdsValues else {
      throw .option("scheme of values", expected: "one with scales per token", got: "\(scheme)")
    }
    tokens = CodedTokens(codes)
  }

  public var shape: CacheShape { tokens.shape }
  public var length: Int { tokens.length }
  /// How many of the tokens are codes; the others, newer, are floats.
  public var encodedLength: Int { tokens.encoded }
  /// What attention sums without ever writing it out: `[length, keyValueHeads · headSize]`.
  public func decoded() -> Tensor { tokens.decoded() }

  public func check(_ values: Tensor) throws(CacheError) { try tokens.check(values, "values") }

  public mutating func append(_ values: Tensor) throws(CacheError) {
    try check(values)
    tokens.append(values)
  }

  public func weightedValues(_ weights: Tensor) throws(CacheError) -> Tensor {
    try tokens.weightedValues(weights)
  }

  public var bytes: CacheBytes { tokens.bytes }
  public var fingerprint: String { tokens.fingerprint }
  public var snapshot: CacheSnapshot { tokens.snapshot }
  public mutating func restore(_ snapshot: CacheSnapshot) throws(CacheError) {
    try tokens.restore(snapshot)
  }
  public static var law: String { Codes.law }
}
