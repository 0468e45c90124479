import GyroCache
import GyroTensors

/// How far attention through a cache is from attention through floats, on what a model really attends
/// with: squared errors and squared sizes of scores and outputs, summed.
struct CacheErrors {
  private var scores = (error: 0.0, size: 0.0)
  private var outputs = (error: 0.0, size: 0.0)

  /// ‖error‖/‖exact‖ of the scores that a query sees.
  var ofScores: Double { (scores.error / max(scores.size, .leastNormalMagnitude)).squareRoot() }
  /// ‖error‖/‖exact‖ of attention's output.
  var ofOutputs: Double { (outputs.error / max(outputs.size, .leastNormalMagnitude)).squareRoot() }

  /// Adds a layer's text, which grows by 32 tokens at a time.
  mutating func add(_ layer: AttentionCapture.Layer, through empty: any KeyValueCache) throws {
    let tokens = layer.keys.shape[0]
    var cache = empty
    var exact: any KeyValueCache = try FloatCache(empty.shape)
    for start in stride(from: 0, to: tokens, by: 32) {
      let range = start..<min(start + 32, tokens)
      func part(_ x: Tensor) -> Tensor { x.sliced(axis: 0, range).contiguous() }
      let (queries, keys, values) = (part(layer.queries), part(layer.keys), part(layer.values))
      try cache.append(keys: keys, values: values)
      try exact.append(keys: keys, values: values)
      let got = try cache.scores(queries), want = try exact.scores(queries)
      let (heads, length) = (got.shape[1], got.shape[2])
      for row in 0..<range.count * heads {
        let seen = start + row / heads + 1
        Self.add(got, want, row * length..<row * length + seen, to: &scores)
      }
      let sum = try cache.attention(queries)
      Self.add(sum, try exact.attention(queries), 0..<sum.count, to: &outputs)
    }
  }

  /// How often a query of the text's last 32 tokens looks most at the token that it looks most at
  /// through floats, over all layers and heads: what a cache must not lose is which token is meant.
  /// - Parameter tokens: of the text, from its beginning.
  static func agreement(
    _ layers: [AttentionCapture.Layer], tokens: Int, through empty: any KeyValueCache
  ) throws -> Double {
    var hits = 0, count = 0
    for layer in layers {
      let asked = max(0, tokens - 32)..<tokens
      func part(_ x: Tensor, _ range: Range<Int>) -> Tensor {
        x.sliced(axis: 0, range).contiguous()
      }
      var cache = empty
      var exact: any KeyValueCache = try FloatCache(empty.shape)
      for range in [0..<asked.lowerBound, asked] where !range.isEmpty {
        let (keys, values) = (part(layer.keys, range), part(layer.values, range))
        try cache.append(keys: keys, values: values)
        try exact.append(keys: keys, values: values)
      }
      let queries = part(layer.queries, asked)
      let got = try cache.scores(queries).elements, want = try exact.scores(queries).elements
      let heads = want.count / (asked.count * tokens)
      for row in 0..<asked.count * heads {
        let seen = row * tokens..<row * tokens + asked.lowerBound + row / heads + 1
        func most(_ scores: [Float]) -> Int {
          seen.dropFirst().reduce(seen.lowerBound) { scores[$1] > scores[$0] ? $1 : $0 }
        }
        hits += most(got) == most(want) ? 1 : 0
        count += 1
      }
    }
    return Double(hits) / Double(max(count, 1))
  }

  private static func add(
    _ got: Tensor, _ want: Tensor, _ range: Range<Int>, to sums: inout (error: Double, size: Double)
  ) {
    got.withElements { got in
      want.withElements { want in
        for place in range {
          let (x, y) = (Double(got[place]), Double(want[place]))
          sums.error += (x - y) * (x - y)
          sums.size += y * y
        }
      }
    }
  }
}
