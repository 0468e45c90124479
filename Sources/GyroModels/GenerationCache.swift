public import GyroTensors

/// What attention of one layer keeps of one text's past, in whatever form it likes.
///
/// The order of calls is `hold`, `attentionWeights`, `attentionSums`: new positions are held before
/// they are attended to.
public protocol AttentionCache: Sendable {
  /// Positions held.
  var length: Int { get }
  /// Adds keys and values `[positions, keyValueHeads · headSize]`, keys after the rotary embedding.
  mutating func hold(keys: Tensor, values: Tensor) throws
  /// The weights of causal attention `[queries, heads, length]` for the queries
  /// `[queries, heads · headSize]` of the positions appended last: each sees the positions up to its
  /// own, and weighs the others 0.
  func attentionWeights(_ queries: Tensor) throws -> Tensor
  /// Sums of values `[queries, heads · headSize]` for weights `[queries, heads, length]`.
  func attentionSums(_ weights: Tensor) throws -> Tensor
}

/// The past of all layers of a model: keys and values in Float32, or caches of another kind.
public struct GenerationCache: Sendable {
  var layers: [LayerCache]

  /// An empty cache with room for `capacity` positions of `batch` texts that grow in step, in
  /// Float32.
  public init(_ configuration: LlamaConfiguration, batch: Int = 1, capacity: Int) {
    let width = configuration.keyValueHeads * configuration.headSize
    layers = (0..<configuration.layers).map { _ in
      LayerCache(floats: FloatLayer(batch: batch, width: width, capacity: capacity))
    }
  }

  /// An empty cache that keeps the past of each layer and text in a cache of its own.
  /// - Parameter make: makes the empty cache of a layer, for each text one.
  public init(
    _ configuration: LlamaConfiguration, batch: Int = 1,
    _ make: (_ layer: Int) throws -> any AttentionCache
  ) rethrows {
    layers = try (0..<configuration.layers).map { layer in
      LayerCache(kept: try (0..<batch).map { _ in try make(layer) })
    }
  }

  /// Number of positions held.
  public var length: Int { layers.first?.length ?? 0 }

  /// The caches of each layer, one for each text; none where floats are held.
  public var caches: [[any AttentionCache]] { layers.map(\.kept) }
}

/// Keys and values of one layer: either floats, or a cache for each text.
struct LayerCache: Sendable {
  /// At most so many positions are appended before they are attended to. A cache may round what is no
  /// longer new; with a long prompt appended at once, it would round what a text that grows token by
  /// token still sees as it was.
  static let stride = 32

  var floats: FloatLayer?
  var kept: [any AttentionCache] = []

  var length: Int { floats?.length ?? kept.first?.length ?? 0 }
}

/// Keys and values of one layer as floats: `[batch, capacity, width]` each, the first `length` rows of
/// every text in use.
struct FloatLayer: Sendable {
  private var keys: Tensor
  private var values: Tensor
  private(set) var length = 0

  init(batch: Int, width: Int, capacity: Int) {
    keys = Tensor(uninitialized: [batch, capacity, width])
    values = keys
  }

  /// Appends rows `[batch, count, width]` and returns views of all rows held.
  mutating func appending(keys newKeys: Tensor, values newValues: Tensor) -> (Tensor, Tensor) {
    let count = newKeys.shape[1], capacity = keys.shape[1]
    precondition(
      length + count <= capacity, "FloatLayer: \(length) + \(count) rows exceed \(capacity)")
    write(newKeys, into: &keys)
    write(newValues, into: &values)
    length += count
    return (keys.sliced(axis: 1, 0..<length), values.sliced(axis: 1, 0..<length))
  }

  private func write(_ rows: Tensor, into table: inout Tensor) {
    let width = rows.shape.columns, run = rows.shape[1] * width
    let (batch, stride, start) = (table.shape[0], table.shape[1] * width, length * width)
    table.withMutableElements { destination in
      rows.withElements { source in
        for text in 0..<batch {
          (destination + text * stride + start).update(from: source + text * run, count: run)
        }
      }
    }
  }
}
