import GyroTensors

@testable import GyroCache

/// Rows of normal numbers, `[tokens, heads · size]`.
func normalRows(_ tokens: Int, _ width: Int, seed: UInt64 = 1) -> Tensor {
  var stream = RandomStream(seed: seed).derived("rows of a cache")
  return stream.normal([tokens, width])
}

/// ⟨q, k⟩ for queries `[queries, heads · size]` and keys `[tokens, keyValueHeads · size]`, in Float64.
func exactScores(_ queries: Tensor, _ keys: Tensor, size: Int) -> [Float] {
  let (q, k) = (queries.elements, keys.elements)
  let (heads, held) = (queries.shape[1] / size, keys.shape[1] / size)
  var scores: [Float] = []
  for query in 0..<queries.shape[0] {
    for head in 0..<heads {
      for token in 0..<keys.shape[0] {
        let shared = head / (heads / held)
        scores.append(
          Float(
            (0..<size).reduce(0.0) {
              $0 + Double(q[(query * heads + head) * size + $1])
                * Double(k[(token * held + shared) * size + $1])
            }))
      }
    }
  }
  return scores
}

/// Σ w_t v_t for weights `[queries, heads, tokens]`, in Float64.
func exactSums(_ weights: Tensor, _ values: Tensor, size: Int) -> [Float] {
  let (w, v) = (weights.elements, values.elements)
  let (heads, held, tokens) = (weights.shape[1], values.shape[1] / size, values.shape[0])
  var sums: [Float] = []
  for row in 0..<weights.shape[0] * heads {
    let shared = row % heads / (heads / held)
    for i in 0..<size {
      sums.append(
        Float(
          (0..<tokens).reduce(0.0) {
            $0 + Double(w[row * tokens + $1]) * Double(v[($1 * held + shared) * size + i])
          }))
    }
  }
  return sums
}

/// ‖a − b‖²/‖b‖².
func relativeError(_ a: [Float], _ b: [Float]) -> Double {
  var (error, power) = (0.0, 0.0)
  for (x, y) in zip(a, b) {
    error += Double(x - y) * Double(x - y)
    power += Double(y) * Double(y)
  }
  return error / power
}

/// Every scheme with heads of 64, by name; keys only where values make no sense.
enum CodedSchemes {
  static let turbo: [TurboScheme] = [
    TurboScheme(bits: 1), TurboScheme(bits: 3, rotation: .hadamard(seed: 3)),
    TurboScheme(bits: 4), TurboScheme(bits: 1, estimator: .innerProduct),
    TurboScheme(bits: 3, estimator: .innerProduct), .mixed2, .mixed3,
  ]
  static let polar: [PolarScheme] = [
    PolarScheme(), PolarScheme(bits: [5, 3, 3, 3], rotation: .hadamard(seed: 1)),
    PolarScheme(codebook: .online(tokens: 20), rotation: .none),
  ]
  static let perToken: [IntegerCacheScheme] = [2, 3, 4, 8].flatMap { bits in
    [
      IntegerCacheScheme(bits: bits),
      IntegerCacheScheme(
        bits: bits, isSymmetric: true, grouping: .tokens(channels: 64),
        rotation: .hadamard(seed: 2)),
    ]
  }
  static let perChannel: [IntegerCacheScheme] = [2, 3, 4, 8].flatMap { bits in
    [
      IntegerCacheScheme(bits: bits, grouping: .channels(tokens: 32)),
      IntegerCacheScheme(
        bits: bits, isSymmetric: true, grouping: .channels(tokens: 8), window: 12),
    ]
  }
}

extension CodedCache {
  /// A filled cache.
  static func holding(
    _ rows: Tensor, _ scheme: Codes.Scheme, heads: Int, capacity: Int? = nil
  ) throws -> Self {
    var cache = try Self(
      CacheShape(
        keyValueHeads: heads, headSize: rows.shape[1] / heads,
        capacity: capacity ?? rows.shape[0]), scheme)
    try cache.append(rows)
    return cache
  }
}
