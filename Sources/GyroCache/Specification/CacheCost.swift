import GyroTensors

/// What a specification's caches occupy in a model, counted from buffers that were allocated.
public struct CacheCost: Sendable, Hashable, Encodable {
  public let cache: String
  /// Tokens that fit, and layers that have a cache.
  public let tokens: Int
  public let layers: Int
  /// Bits that a key's or value's element adds: codes, norms, indices and scales of 1024 further
  /// tokens over their elements.
  public let bitsPerElement: Double
  /// All caches, windows of floats and what layers share included.
  public let bytes: Int
  /// Of these, what layers and heads share.
  public let sharedBytes: Int
  /// The same tokens in Float16.
  public let float16Bytes: Int

  enum CodingKeys: String, CodingKey {
    case cache, tokens, layers, bytes
    case bitsPerElement = "bits_per_element"
    case sharedBytes = "shared_bytes"
    case float16Bytes = "float16_bytes"
  }

  /// - Throws: what making a cache of the shape throws.
  public init(
    _ specification: CacheSpecification, _ shape: CacheShape, layers: Int
  ) throws(CacheError) {
    let made = try Self.begun(specification, shape).bytes
    let base = 1024 + (CacheSettings(specification).whole("window") ?? 0)
    func perToken(_ capacity: Int) throws(CacheError) -> Int {
      let shape = try CacheShape(
        keyValueHeads: shape.keyValueHeads, headSize: shape.headSize, capacity: capacity)
      return try specification.make(shape).bytes.perToken
    }
    let growth = try perToken(base + 1024) - perToken(base)
    cache = specification.description
    tokens = shape.capacity
    self.layers = layers
    bitsPerElement = 8 * Double(growth) / Double(2 * shape.width * 1024)
    bytes = layers * made.own + made.sharedTotal
    sharedBytes = made.sharedTotal
    float16Bytes = layers * 2 * shape.width * shape.capacity * 2
  }

  /// A cache with some tokens in it, so that what only the first ones needed is gone.
  private static func begun(
    _ specification: CacheSpecification, _ shape: CacheShape
  ) throws(CacheError) -> any KeyValueCache {
    var cache = try specification.make(shape)
    var random = RandomStream(seed: 0)
    let rows = random.normal([min(shape.capacity, 1024), shape.width])
    try cache.append(keys: rows, values: rows)
    return cache
  }

  /// Float16's bytes over these.
  public var timesSmaller: Double { Double(float16Bytes) / Double(bytes) }
}
