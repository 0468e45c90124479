public import GyroTensors

/// Any keys with any values.
public struct CombinedCache<Keys: KeyCache, Values: ValueCache>: KeyValueCache {
  public private(set) var keys: Keys
  public private(set) var values: Values

  /// - Throws: `CacheError.option` when the halves were made for different shapes.
  public init(keys: Keys, values: Values) throws(CacheError) {
    guard keys.shape == values.shape, keys.length == values.length else {
      throw .option(
        "combined cache", expected: "values for \(keys.shape), \(keys.length) held",
        got: "\(values.shape), \(values.length) held")
    }
    self.keys = keys
    self.values = values
  }

  public var shape: CacheShape { keys.shape }
  public var length: Int { keys.length }

  public mutating func append(keys: Tensor, values: Tensor) throws(CacheError) {
    // Both before either, so that an error leaves the halves at the same length.
    try self.keys.check(keys)
    try self.values.check(values)
    guard keys.shape[0] == values.shape[0] else {
      throw .extents(
        "values", expected: "of \(keys.shape[0]) tokens, as the keys", got: values.shape)
    }
    try self.keys.append(keys)
    try self.values.append(values)
  }

  public func scores(_ queries: Tensor) throws(CacheError) -> Tensor { try keys.scores(queries) }

  public func weightedValues(_ weights: Tensor) throws(CacheError) -> Tensor {
    try values.weightedValues(weights)
  }

  public var bytes: CacheBytes { keys.bytes + values.bytes }
  public var fingerprint: String { "keys: \(keys.fingerprint); values: \(values.fingerprint)" }

  public var snapshot: CacheSnapshot {
    var result = CacheSnapshot(fingerprint: fingerprint, length: length)
    result.add(keys.snapshot, as: "keys")
    result.add(values.snapshot, as: "values")
    return result
  }

  public mutating func restore(_ snapshot: CacheSnapshot) throws(CacheError) {
    try snapshot.require(fingerprint: fingerprint, capacity: shape.capacity)
    var (keys, values) = (keys, values)
    try keys.restore(snapshot.half("keys", fingerprint: keys.fingerprint))
    try values.restore(snapshot.half("values", fingerprint: values.fingerprint))
    (self.keys, self.values) = (keys, values)
  }

  public static var law: String { "keys: \(Keys.law)\nvalues: \(Values.law)" }
}
