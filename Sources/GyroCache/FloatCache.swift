public import GyroTensors

/// Keys as they are, in Float32 or rounded to Float16: what other caches are measured against.
public struct FloatKeyCache: KeyCache {
  public let shape: CacheShape
  public private(set) var length = 0
  private var rows: FloatRows

  public init(_ shape: CacheShape, precision: FloatPrecision = .float32) throws(CacheError) {
    try shape.requireHeadSizeLimit(for: "a float cache")
    self.shape = shape
    rows = FloatRows(shape, slots: shape.capacity, precision: precision)
  }

  public func check(_ keys: Tensor) throws(CacheError) {
    try shape.checkAppended(keys, "keys", after: length)
    try shape.checkMagnitudes(keys, "keys", after: length, largest: rows.precision.largest)
  }

  public mutating func append(_ keys: Tensor) throws(CacheError) {
    try check(keys)
    keys.withElements { rows.store($0, first: length, count: keys.shape[0]) }
    length += keys.shape[0]
  }

  public func scores(_ queries: Tensor) throws(CacheError) -> Tensor {
    let heads = try shape.queryHeads(of: queries)
    return Tensor.filled([queries.shape[0], heads, length]) {
      rows.scores(queries, queryHeads: heads, first: 0, tokens: length, into: $0, stride: length)
    }
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

  public static var law: String { "exact inner products of the stored floats" }
}

/// Values as they are, in Float32 or rounded to Float16.
public struct FloatValueCache: ValueCache {
  public let shape: CacheShape
  public private(set) var length = 0
  private var rows: FloatRows

  public init(_ shape: CacheShape, precision: FloatPrecision = .float32) throws(CacheError) {
    try shape.requireHeadSizeLimit(for: "a float cache")
    self.shape = shape
    rows = FloatRows(shape, slots: shape.capacity, precision: precision)
  }

  public func check(_ values: Tensor) throws(CacheError) {
    try shape.checkAppended(values, "values", after: length)
    try shape.checkMagnitudes(values, "values", after: length, largest: rows.precision.largest)
  }

  public mutating func append(_ values: Tensor) throws(CacheError) {
    try check(values)
    values.withElements { rows.store($0, first: length, count: values.shape[0]) }
    length += values.shape[0]
  }

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

  public static var law: String { "exact sums of the stored floats" }
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
