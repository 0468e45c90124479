import GyroAutodiff
import GyroTensors

/// Causal self-attention with grouped key/value heads and rotary positions.
struct LlamaAttention: Module {
  let query, key, value, output: Linear
  let queryNorm, keyNorm: RMSNorm?
  let input: Site
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
    output = Linear(
      build.scoped("o_proj"), from: configuration.heads * configuration.headSize, to: width,
      bias: configuration.outputBias, initializer: deviation)
    queryNorm = norm("q_norm")
    keyNorm = norm("k_norm")
  }

  func callAsFunction(_ x: Variable, _ pass: ForwardPass) -> Variable {
    let (q, k, v) = projections(x, pass, startingAt: 0)
    return output(attend(q, k, v), pass)
  }

  /// Attention of new positions to the cached ones and themselves; the cache grows by them.
  func extending(_ cache: inout LayerCache, _ x: Variable, _ pass: ForwardPass) -> Variable {
    let (q, k, v) = projections(x, pass, startingAt: cache.length)
    let (keys, values) = cache.appending(keys: k.value, values: v.value)
    return output(attend(q, Variable(constant: keys), Variable(constant: values)), pass)
  }

  private func attend(_ q: Variable, _ k: Variable, _ v: Variable) -> Variable {
    .attention(
      query: q, key: k, value: v, queryHeads: heads, keyValueHeads: keyValueHeads, causal: true)
  }

  private func projections(
    _ x: Variable, _ pass: ForwardPass, startingAt position: Int
  ) -> (Variable, Variable, Variable) {
    let seen = pass(x, at: input)
    let q = normalized(query(seen: seen, pass), queryNorm, heads, pass)
    let k = normalized(key(seen: seen, pass), keyNorm, keyValueHeads, pass)
    return (
      q.rotated(table, heads: heads, startingAt: position),
      k.rotated(table, heads: keyValueHeads, startingAt: position),
      value(seen: seen, pass)
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
