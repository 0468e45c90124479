public import GyroTensors

/// Keys or values as codes of a scheme.
public struct CodedCache<Codes: TokenCodes, Role: CacheRole>: CacheHalf {
  private var tokens: CodedTokens<Codes>

  /// - Throws: `CacheError` when the scheme cannot code heads of this size, or no values.
  public init(_ shape: CacheShape, _ scheme: Codes.Scheme) throws(CacheError) {
    let codes = try Codes(shape, scheme)
    guard codes.holdsValues || Role.self == KeyRole.self else {
      throw .option("scheme of values", expected: "one with scales per token", got: "\(scheme)")
    }
    tokens = CodedTokens(codes)
  }

  public var shape: CacheShape { tokens.shape }
  public var length: Int { tokens.length }
  /// How many of the tokens are codes; the others, newer, are floats.
  public var encodedLength: Int { tokens.encoded }
  var codes: Codes { tokens.codes }
  /// What attention sees without ever writing it out: `[length, keyValueHeads · headSize]`.
  public func decoded() -> Tensor { tokens.decoded() }

  public func check(_ rows: Tensor) throws(CacheError) { try tokens.check(rows, Role.contents) }

  public mutating func append(_ rows: Tensor) throws(CacheError) {
    try check(rows)
    tokens.append(rows)
  }

  public var bytes: CacheBytes { tokens.bytes }
  public var fingerprint: String { tokens.fingerprint }
  public var snapshot: CacheSnapshot { tokens.snapshot }
  public mutating func restore(_ snapshot: CacheSnapshot) throws(CacheError) {
    try tokens.restore(snapshot)
  }
  public static var law: String { Codes.law }
}

/// Keys as codes of a scheme.
public typealias CodedKeyCache<Codes: TokenCodes> = CodedCache<Codes, KeyRole>
/// Values as codes of a scheme.
public typealias CodedValueCache<Codes: TokenCodes> = CodedCache<Codes, ValueRole>

extension CodedCache: KeyCache where Role == KeyRole {
  public func scores(_ queries: Tensor) throws(CacheError) -> Tensor {
    try tokens.scores(queries)
  }
}

extension CodedCache: ValueCache where Role == ValueRole {
  public func weightedValues(_ weights: Tensor) throws(CacheError) -> Tensor {
    try tokens.weightedValues(weights)
  }
}
