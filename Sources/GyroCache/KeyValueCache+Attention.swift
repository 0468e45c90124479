public import GyroTensors

extension KeyValueCache {
  /// Attention of the newest tokens over the whole cache: softmax(⟨q, k⟩/√headSize) over the keys
  /// up to each query's own, then the weighted sum of values.
  ///
  /// - Parameter queries: `[queries, heads · headSize]` of the last `queries` tokens appended, after
  ///   the rotary embedding.
  /// - Returns: `[queries, heads · headSize]`.
  public func attention(_ queries: Tensor) throws(CacheError) -> Tensor {
    guard queries.shape.rank == 2, queries.shape[0] <= length else {
      throw .extents("queries", expected: "of at most \(length) tokens", got: queries.shape)
    }
    return try weightedValues(CacheAttention.weights(of: scores(queries), headSize: shape.headSize))
  }
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
