public import GyroTensors

extension KeyValueCache {
  /// Attention of the newest tokens over the whole cache: softmax(⟨q, k⟩/√headSize) over the keys
  /// up to each query's own, then the weighted sum of values.
  ///
  /// - Parameter queries: `[queries, heads · headSize]` of the last `queries` tokens appended, after
  ///   the rotary embedding.
  /// - Returns: `[queries, heads · headSize]`.
  public func attention(_ queries: Tensor) throws(CacheError) -> Tensor {
    try weightedValues(weights(queries))
  }

  /// The weights of that sum, `[queries, heads, length]`.
  public func weights(_ queries: Tensor) throws(CacheError) -> Tensor {
    guard queries.shape.rank == 2, queries.shape[0] <= length else {
      throw .extents("queries", expected: "of at most \(length) tokens", got: queries.shape)
    }
    return CacheAttention.weights(of: try scores(queries), headSize: shape.headSize)
  }
}

// As the models call it.
extension KeyValueCache {
  public mutating func hold(keys: Tensor, values: Tensor) throws {
    try append(keys: keys, values: values)
  }

  public func attentionWeights(_ queries: Tensor) throws -> Tensor { try weights(queries) }

  public func attentionSums(_ weights: Tensor) throws -> Tensor { try weightedValues(weights) }
}

/// From scores to the weights of a causal softmax.
public enum CacheAttention {
  /// softmax(score/√headSize) for `scores [queries, heads, length]`, where query i of n sees all but
  /// the last n − 1 − i tokens; the others weigh 0.
  public static func weights(of scores: Tensor, headSize: Int) -> Tensor {
    var scaled = scores * (1 / Float(headSize).squareRoot())
    let (queries, heads, length) = (scores.shape[0], scores.shape[1], scores.shape[2])
    if queries > 1 {
      scaled.withMutableElements { element in
        for row in 0..<queries * heads {
          let visible = length - (queries - 1 - row / heads)
          (element + row * length + visible).update(
            repeating: -.infinity, count: length - visible)
        }
      }
    }
    return scaled.softmax()
  }
}
