import GyroAutodiff
import GyroTensors

/// Causal self-attention with grouped key/value heads and rotary positions.
struct LlamaAttention: Module {
  let query, key, value, output: Linear
  let queryNorm, keyNorm: RMSNorm?
  let input, queries, keys, values, probabilities: Site
  let table: RotaryTable
  let heads: Int
  let keyValueHeads: Int
  let headSize: Int

  init(_ configuration: LlamaConfiguration, _ table: RotaryTable, _ build: ModelBuilder) {
    let deviation = Initializer.normal(standardDeviation: configuration.initializerDeviation)
    let width = configuration.hidden
    (heads, keyValueHeads) = (configuration.heads, configuration.keyValueHeads)
    headSize = configuration.headSize
    self.table = table
    let site = build.site("input")
    input = site
    queries = build.site("queries", kind: .queries, headSize: headSize)
    keys = build.site("keys", kind: .keys, headSize: headSize)
    values = build.site("values", kind: .values, headSize: headSize)
    probabilities = build.site("probabilities", kind: .attention)
    func projection(_ name: String, to outputs: Int) -> Linear {
      Linear(
        build.scoped(name), from: width, to: outputs, bias: configuration.queryKeyValueBias,
        initializer: deviation, sharing: site)
    }
    func norm(_ name: String) -> RMSNorm? {
      guard configuration.queryKeyNorm else { return nil }
      return RMSNorm(
        build.scoped(name), width: configuration.headSize, epsilon: configuration.normEpsilon)
    }
    query = projection("q_proj", to: configuration.heads * configuration.headSize)
    key = projection("k_proj", to: configuration.keyValueHeads * configuration.headSize)
    value = projection("v_proj", to: configuration.keyValueHeads * configuration.headSize)
    build.fuse(query, key, value)
    output = Linear(
      build.scoped("o_proj"), from: configuration.heads * configuration.headSize, to: width,
      bias: configuration.outputBias, initializer: deviation)
    queryNorm = norm("q_norm")
    keyNorm = norm("k_norm")
  }

  func callAsFunction(_ x: Variable, _ pass: ForwardPass) -> Variable {
    let (q, k, v) = projections(x, pass, startingAt: 0)
    return output(attend(q, k, v, pass), pass)
  }

  /// Attention of new positions to the cached ones and themselves; the cache grows by them.
  func extending(
    _ cache: inout LayerCache, _ x: Variable, _ pass: ForwardPass
  ) throws -> Variable {
    let (q, k, v) = projections(x, pass, startingAt: cache.length)
    guard cache.floats != nil else {
      return output(try attend(q, k, v, through: &cache.kept, pass), pass)
    }
    let (keys, values) = cache.floats!.appending(keys: k.value, values: v.value)
    return output(attend(q, Variable(constant: keys), Variable(constant: values), pass), pass)
  }

  /// The same through a cache for each text, which alone knows what it holds.
  private func attend(
    _ q: Variable, _ k: Variable, _ v: Variable, through caches: inout [any AttentionCache],
    _ pass: ForwardPass
  ) throws -> Variable {
    let (batch, length, width) = (q.shape[0], q.shape[1], heads * headSize)
    precondition(
      batch == caches.count, "attention: \(batch) texts cannot continue \(caches.count) caches")
    func rows(_ x: Variable, _ text: Int, _ range: Range<Int>) -> Tensor {
      x.value.sliced(axis: 0, text..<text + 1).sliced(axis: 1, range).contiguous()
        .reshaped([range.count, x.shape[2]])
    }
    var result = Tensor(uninitialized: [batch, length, width])
    for text in 0..<batch {
      for start in stride(from: 0, to: length, by: LayerCache.stride) {
        let range = start..<min(start + LayerCache.stride, length)
        try caches[text].hold(keys: rows(k, text, range), values: rows(v, text, range))
        let weights = showing(try caches[text].attentionWeights(rows(q, text, range)), pass)
        let sums = try caches[text].attentionSums(weights)
        result.withMutableElements { destination in
          sums.withElements {
            (destination + (text * length + start) * width).update(from: $0, count: sums.count)
          }
        }
      }
    }
    return Variable(constant: result)
  }

  /// Weights `[queries, heads, length]` as those see them who want to see `[heads, queries, length]`.
  private func showing(_ weights: Tensor, _ pass: ForwardPass) -> Tensor {
    guard pass.wants(probabilities) else { return weights }
    let byHead = Variable(constant: weights.transposed(0, 1).contiguous())
    return pass(byHead, at: probabilities).value.transposed(0, 1).contiguous()
  }

  private func attend(
    _ q: Variable, _ k: Variable, _ v: Variable, _ pass: ForwardPass
  ) -> Variable {
    if pass.wants(probabilities) { return attendShowingProbabilities(q, k, v, pass) }
    return .attention(
      query: q, key: k, value: v, queryHeads: heads, keyValueHeads: keyValueHeads, causal: true)
  }

  /// The same sum written out, for those who want to see the probabilities `[B · H, Tq, Tk]`.
  private func attendShowingProbabilities(
    _ q: Variable, _ k: Variable, _ v: Variable, _ pass: ForwardPass
  ) -> Variable {
    let (batch, new, all) = (q.shape[0], q.shape[1], k.shape[1])
    func split(_ x: Variable, _ heads: Int) -> Variable {
      x.reshaped([batch, x.shape[1], heads, headSize]).permuted([0, 2, 1, 3])
    }
    func shared(_ x: Variable) -> Variable {
      let parts = split(x, keyValueHeads)
      let copies = heads / keyValueHeads
      guard copies > 1 else { return parts.reshaped([batch * heads, all, headSize]) }
      let alone = parts.reshaped([batch, keyValueHeads, 1, all, headSize])
      return Variable.concatenated(Array(repeating: alone, count: copies), axis: 2)
        .reshaped([batch * heads, all, headSize])
    }
    let mask = Tensor.filled([new, all]) { mask in
      for row in 0..<new {
        for column in 0..<all { mask[row * all + column] = column <= row + all - new ? 0 : -1e30 }
      }
    }
    let queries = split(q, heads).reshaped([batch * heads, new, headSize])
    let scores =
      queries.matmul(shared(k), transposingOther: true) / Float(headSize).squareRoot()
      + Variable(constant: mask)
    let weights = pass(scores.softmax(), at: probabilities)
    return weights.matmul(shared(v)).reshaped([batch, heads, new, headSize])
      .permuted([0, 2, 1, 3]).reshaped([batch, new, heads * headSize])
  }

  private func projections(
    _ x: Variable, _ pass: ForwardPass, startingAt position: Int
  ) -> (Variable, Variable, Variable) {
    let seen = pass(x, at: input)
    let q = normalized(query(seen: seen, pass), queryNorm, heads, pass)
    let k = normalized(key(seen: seen, pass), keyNorm, keyValueHeads, pass)
    return (
      pass(q.rotated(table, heads: heads, startingAt: position), at: queries),
      pass(k.rotated(table, heads: keyValueHeads, startingAt: position), at: keys),
      pass(value(seen: seen, pass), at: values)
    )
  }

  private func normalized(
    _ x: Variable, _ norm: RMSNorm?, _ heads: Int, _ pass: ForwardPass
  ) -> Variable {
    guard let norm else { return x }
    let split = x.reshaped([x.shape[0], x.shape[1], heads, headSize])
    return norm(split, pass).reshaped(x.shape.dimensions)
  }
}
