public import GyroTensors

/// Keys or values as they are, in Float32 or rounded to Float16: what other caches are measured
/// against.
public struct FloatHalf<Role: CacheRole>: CacheHalf {
  public let shape: CacheShape
  public private(set) var length = 0
  private var rows: FloatRows

  public init(_ shape: CacheShape, precision: FloatPrecision = .float32) throws(CacheError) {
    try shape.requireHeadSizeLimit(for: "a float cache")
    self.shape = shape
    rows = FloatRows(shape, slots: shape.capacity, precision: precision)
  }

  public func check(_ rows: Tensor) throws(CacheError) {
    try shape.checkAppended(rows, Role.contents, after: length)
    try shape.checkMagnitudes(
      rows, Role.contents, after: length, largest: self.rows.precision.largest)
  }

  public mutating func append(_ rows: Tensor) throws(CacheError) {
    try check(rows)
    rows.withElements { self.rows.store($0, first: length, count: rows.shape[0]) }
    length += rows.shape[0]
  }

  public var bytes: CacheBytes { CacheBytes(codes: rows.byteCount) }
  public var fingerprint: String { "\(rows.description), \(shape)" }
  public var snapshot: CacheSnapshot {
    CacheSnapshot(fingerprint: fingerprint, length: length, parts: ["rows": rows.contents])
  }

  public mutating func restore(_ snapshot: CacheSnapshot) throws(CacheError) {
    try snapshot.require(fingerprint: fingerprint, capacity: shape.capacity)
    rows.setContents(try snapshot.part("rows", count: rows.byteCount))
    length = snapshot.length
  }

  public static var law: String {
    "exact \(Role.self == KeyRole.self ? "inner products" : "sums") of the stored floats"
  }
}

/// Keys as they are.
public typealias FloatKeyCache = FloatHalf<KeyRole>
/// Values as they are.
public typealias FloatValueCache = FloatHalf<ValueRole>

extension FloatHalf: KeyCache where Role == KeyRole {
  public func scores(_ queries: Tensor) throws(CacheError) -> Tensor {
    let heads = try shape.queryHeads(of: queries)
    return Tensor.filled([queries.shape[0], heads, length]) {
      rows.scores(queries, queryHeads: heads, first: 0, tokens: length, into: $0, stride: length)
    }
  }
}

extension FloatHalf: ValueCache where Role == ValueRole {
  public func weightedValues(_ weights: Tensor) throws(CacheError) -> Tensor {
    let heads = try shape.weightHeads(of: weights, length: length)
    var result = Tensor.zeros([weights.shape[0], heads * shape.headSize])
    weights.withElements { weight in
      result.withMutableElements {
        rows.addSum(
          weight, stride: length, queries: weights.shape[0], queryHeads: heads, first: 0,
          tokens: length, into: $0)
      }
    }
    return result
  }
}

/// Keys and values as they are.
public typealias FloatCache = CombinedCache<FloatKeyCache, FloatValueCache>

extension CombinedCache where Keys == FloatKeyCache, Values == FloatValueCache {
  public init(_ shape: CacheShape, precision: FloatPrecision = .float32) throws(CacheError) {
    try self.init(
      keys: FloatKeyCache(shape, precision: precision),
      values: FloatValueCache(shape, precision: precision))
  }
}
