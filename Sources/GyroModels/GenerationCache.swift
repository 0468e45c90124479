import GyroTensors

/// The keys and values of all positions a model has seen, per layer, in Float32.
public struct GenerationCache: Sendable {
  var layers: [LayerCache]

  /// An empty cache with room for `capacity` positions of `batch` texts that grow in step.
  public init(_ configuration: LlamaConfiguration, batch: Int = 1, capacity: Int) {
    let width = configuration.keyValueHeads * configuration.headSize
    layers = (0..<configuration.layers).map { _ in
      LayerCache(batch: batch, width: width, capacity: capacity)
    }
  }

  /// Number of positions held.
  public var length: Int { layers.first?.length ?? 0 }
}

/// Keys and values of one layer: `[batch, capacity, width]` each, the first `length` rows of every
/// text in use.
struct LayerCache: Sendable {
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
      length + count <= capacity, "LayerCache: \(length) + \(count) rows exceed \(capacity)")
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
