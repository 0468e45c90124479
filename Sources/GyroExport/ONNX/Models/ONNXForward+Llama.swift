import GyroAutodiff
import GyroModels
import GyroTensors

/// The Llama family: `input_ids` `[batch, sequence]` → `logits` `[batch, sequence, vocabulary]`.
extension ONNXForward {
  /// What all blocks share.
  private struct Positions {
    /// Cosines and sines of the positions there are, `[sequence, 1, head / 2]`.
    let cosines, sines: ONNXValue
    /// Whether a query sees a key, `[sequence, sequence]`.
    let isVisible: ONNXValue
  }

  mutating func llama(_ configuration: LlamaConfiguration) throws(ExportError) {
    let tokens = graph.input("input_ids", .int64, [.named("batch"), .named("sequence")])
    graph.scope = "positions"
    let positions = positions(of: tokens, configuration)
    graph.scope = "model.embed_tokens"
    let table = weight("model.embed_tokens.weight")
    var hidden = try activation(
      graph.gather(table, tokens), at: "model.embed_tokens.output")
    for layer in 0..<configuration.layers {
      let scope = "model.layers.\(layer)"
      let attended = graph.add(
        hidden, try attention(hidden, scope, positions, configuration))
      let sum = try activation(attended, at: scope + ".self_attn.residual")
      let fed = graph.add(sum, try feedForward(sum, scope, configuration))
      hidden = try activation(fed, at: scope + ".mlp.residual")
    }
    graph.scope = "lm_head"
    let normal = rootMeanSquareNorm(hidden, "model.norm", configuration)
    let seen = try activation(normal, at: "lm_head.input")
    let scores =
      configuration.tiedEmbeddings
      ? graph.matmul(seen, graph.transpose(table, [1, 0])) : linear(seen, "lm_head")
    let logits = try activation(scores, at: "lm_head.output")
    graph.output(
      logits, as: "logits",
      [.named("batch"), .named("sequence"), .fixed(configuration.vocabulary)])
  }

  // MARK: Positions

  private mutating func positions(
    of tokens: ONNXValue, _ configuration: LlamaConfiguration
  ) -> Positions {
    let shape = graph.append("Shape", [tokens], extents: [2])
    let length = graph.append(
      "Gather", [shape, graph.constant([1])], extents: [1], [.integer("axis", 0)])
    let table = RotaryTable(
      headSize: configuration.headSize, positions: configuration.context,
      base: configuration.rotaryBase, scaling: configuration.rotaryScaling)
    func rows(_ name: String, _ tensor: Tensor, _ graph: inout ONNXGraph) -> ONNXValue {
      let half = configuration.headSize / 2
      let all = graph.initializer(
        name, .float, [configuration.context, 1, half], tensor.elements.data)
      return graph.slice(all, axis: 0, from: 0, to: length, extent: nil)
    }
    let count = graph.append(
      "Squeeze", [length, graph.constant([0])], extents: [])
    let places = graph.append(
      "Range",
      [graph.constant([0], isScalar: true), count, graph.constant([1], isScalar: true)],
      extents: [nil])
    let queries = graph.append(
      "Unsqueeze", [places, graph.constant([1])], extents: [nil, 1])
    return Positions(
      cosines: rows("rotary_cosines", table.cosines, &graph),
      sines: rows("rotary_sines", table.sines, &graph),
      isVisible: graph.append("GreaterOrEqual", [queries, places], extents: [nil, nil]))
  }

  /// Element j of a head turns with element j + half.
  private mutating func rotated(
    _ x: ONNXValue, _ positions: Positions, _ configuration: LlamaConfiguration
  ) -> ONNXValue {
    let half = configuration.headSize / 2
    let (middle, end) = (graph.constant([half]), graph.constant([2 * half]))
    let left = graph.slice(x, axis: 3, from: 0, to: middle, extent: half)
    let right = graph.slice(x, axis: 3, from: half, to: end, extent: half)
    let first = graph.subtract(
      graph.multiply(left, positions.cosines), graph.multiply(right, positions.sines))
    let second = graph.add(
      graph.multiply(right, positions.cosines), graph.multiply(left, positions.sines))
    return graph.append("Concat", [first, second], extents: x.extents, [.integer("axis", 3)])
  }

  // MARK: Blocks

  /// `x / √(mean(x²) + ε) · weight` over the last axis.
  private mutating func rootMeanSquareNorm(
    _ x: ONNXValue, _ scope: String, _ configuration: LlamaConfiguration
  ) -> ONNXValue {
    let mean = graph.reduce("ReduceMean", graph.multiply(x, x))
    let root = graph.unary(
      "Sqrt", graph.add(mean, graph.constant(configuration.normEpsilon)))
    let normal = graph.multiply(x, graph.divide(graph.constant(1), root))
    return graph.multiply(normal, weight(ParameterPath(scope + ".weight")))
  }

  private mutating func feedForward(
    _ x: ONNXValue, _ layer: String, _ configuration: LlamaConfiguration
  ) throws(ExportError) -> ONNXValue {
    let scope = layer + ".mlp"
    graph.scope = scope
    let normal = rootMeanSquareNorm(x, layer + ".post_attention_layernorm", configuration)
    let seen = try activation(normal, at: scope + ".input")
    let gate = linear(seen, scope + ".gate_proj")
    let up = linear(seen, scope + ".up_proj")
    let inner = graph.multiply(graph.multiply(gate, graph.unary("Sigmoid", gate)), up)
    return linear(
      try activation(inner, at: scope + ".down_proj.input"), scope + ".down_proj")
  }

  private mutating func attention(
    _ x: ONNXValue, _ layer: String, _ positions: Positions, _ configuration: LlamaConfiguration
  ) throws(ExportError) -> ONNXValue {
    let scope = layer + ".self_attn"
    graph.scope = scope
    let (size, shared) = (configuration.headSize, configuration.keyValueHeads)
    let copies = configuration.heads / shared
    let normal = rootMeanSquareNorm(x, layer + ".input_layernorm", configuration)
    let seen = try activation(normal, at: scope + ".input")

    let q = try turned(seen, "q", heads: configuration.heads, positions, configuration)
    let k = try turned(seen, "k", heads: shared, positions, configuration)
    let flat = try activation(linear(seen, scope + ".v_proj"), at: scope + ".values")
    let v = graph.reshape(flat, to: [0, 0, shared, size])

    // Query heads that share a key head are rows of one product with it, stretched over an axis.
    let isGrouped = copies > 1
    func byHead(_ x: ONNXValue, copies: Int, _ graph: inout ONNXGraph) -> ONNXValue {
      guard isGrouped else { return graph.transpose(x, [0, 2, 1, 3]) }
      return graph.transpose(
        graph.reshape(x, to: [0, 0, shared, copies, size]), [0, 2, 3, 1, 4])
    }
    let queries = byHead(q, copies: copies, &graph)
    let keys = byHead(k, copies: 1, &graph)
    let values = byHead(v, copies: 1, &graph)
    let axes = Array(0..<keys.rank - 2) + [keys.rank - 1, keys.rank - 2]
    let scores = graph.multiply(
      graph.matmul(queries, graph.transpose(keys, axes)),
      graph.constant(1 / Float(size).squareRoot()))
    let masked = graph.choose(
      positions.isVisible, scores, graph.constant(-.greatestFiniteMagnitude))
    let softmax = graph.append(
      "Softmax", [masked], extents: scores.extents, [.integer("axis", -1)])
    let weights = try activation(softmax, at: scope + ".probabilities")
    let sums = graph.matmul(weights, values)
    let joined = graph.transpose(sums, isGrouped ? [0, 3, 1, 2, 4] : [0, 2, 1, 3])
    let rows = graph.reshape(joined, to: [0, 0, configuration.heads * size])
    return linear(try activation(rows, at: scope + ".o_proj.input"), scope + ".o_proj")
  }

  /// Queries or keys `[batch, sequence, heads, size]`: projected, normalized, rotated, quantized.
  private mutating func turned(
    _ x: ONNXValue, _ name: String, heads: Int, _ positions: Positions,
    _ configuration: LlamaConfiguration
  ) throws(ExportError) -> ONNXValue {
    let scope = graph.scope
    let size = configuration.headSize
    var split = graph.reshape(linear(x, "\(scope).\(name)_proj"), to: [0, 0, heads, size])
    if configuration.queryKeyNorm {
      split = rootMeanSquareNorm(split, "\(scope).\(name)_norm", configuration)
    }
    let turned = rotated(split, positions, configuration)
    let site = scope + (name == "q" ? ".queries" : ".keys")
    guard changes(site) else { return turned }
    // A site's rows are those of all heads.
    let flat = graph.reshape(turned, to: [0, 0, heads * size])
    return graph.reshape(try activation(flat, at: site), to: [0, 0, heads, size])
  }
}
