public import GyroAutodiff
import GyroTensors

/// A Llama-family language model: token embedding, blocks of attention and SwiGLU feed-forward with
/// RMS normalization before each, a last normalization and a projection to the vocabulary.
///
/// Parameter paths are those of Hugging Face files (`model.layers.0.self_attn.q_proj.weight`, …).
/// Activation sites are the inputs of matrix products — `self_attn.input` (shared by q, k, v),
/// `self_attn.o_proj.input`, `mlp.input` (shared by gate and up), `mlp.down_proj.input`,
/// `lm_head.input` — and `model.embed_tokens.output`, `self_attn.{queries,keys,values,probabilities}`,
/// the sums `self_attn.residual` and `mlp.residual`, and `lm_head.output`.
public struct Llama: Module {
  public let configuration: LlamaConfiguration
  let embedding: Embedding
  let blocks: [LlamaBlock]
  let norm: RMSNorm
  /// The output projection; nil when it shares the embedding's table.
  let head: Linear?
  let headInput: Site
  let embedded, scores: Site

  /// Names the model's parameters; initial values follow from the builder's seed.
  public init(_ configuration: LlamaConfiguration, _ build: ModelBuilder) {
    let deviation = Initializer.normal(standardDeviation: configuration.initializerDeviation)
    let model = build.scoped("model")
    self.configuration = configuration
    embedded = model.scoped("embed_tokens").site("output", kind: .embedding)
    embedding = Embedding(
      model.scoped("embed_tokens"), vocabulary: configuration.vocabulary,
      width: configuration.hidden, initializer: deviation)
    let table = RotaryTable(
      headSize: configuration.headSize, positions: configuration.context,
      base: configuration.rotaryBase, scaling: configuration.rotaryScaling)
    blocks = (0..<configuration.layers).map {
      LlamaBlock(configuration, table, model.scoped("layers").scoped("\($0)"))
    }
    norm = RMSNorm(
      model.scoped("norm"), width: configuration.hidden, epsilon: configuration.normEpsilon)
    let headScope = build.scoped("lm_head")
    headInput = headScope.site("input")
    scores = headScope.site("output", kind: .logits)
    head =
      configuration.tiedEmbeddings
      ? nil
      : Linear(
        headScope, from: configuration.hidden, to: configuration.vocabulary, bias: false,
        initializer: deviation, sharing: headInput)
  }

  /// A fresh model and its parameters.
  public static func initialized(
    _ configuration: LlamaConfiguration, seed: UInt64
  ) -> (model: Llama, parameters: ParameterStore) {
    let build = ModelBuilder(seed: seed)
    let model = Llama(configuration, build)
    return (model, build.store)
  }

  /// Logits `[batch, length, vocabulary]`: the scores of what follows each token.
  public func callAsFunction(_ tokens: TokenWindow, _ pass: ForwardPass) -> Variable {
    logits(embedded(tokens, pass, startingAt: 0), pass) { hidden, block, _ in
      pass.block(hidden) { block($0, $1) }
    }
  }

  /// The mean cross-entropy, in nats, of each token's successor.
  /// - Parameter targets: one successor per token, in the same order.
  public func nextTokenLoss(
    _ tokens: TokenWindow, targets: [Int32], _ pass: ForwardPass
  ) -> Variable {
    self(tokens, pass).crossEntropy(targets: targets)
  }

  /// Logits for tokens that continue those in `cache`, whose keys and values are appended to it.
  ///
  /// - Throws: what the caches of the layers throw; floats throw nothing. After an error the cache
  ///   is of no further use.
  public func callAsFunction(
    _ tokens: TokenWindow, _ pass: ForwardPass, continuing cache: inout GenerationCache
  ) throws -> Variable {
    var layers = cache.layers
    cache.layers = []  // so that appending happens in place
    defer { cache.layers = layers }
    let start = layers.first?.length ?? 0
    return try logits(embedded(tokens, pass, startingAt: start), pass) { hidden, block, index in
      try block.extending(&layers[index], hidden, pass)
    }
  }

  /// The hidden states of tokens from position `start` on.
  func embedded(_ tokens: TokenWindow, _ pass: ForwardPass, startingAt start: Int) -> Variable {
    precondition(
      start + tokens.length <= configuration.context,
      "Llama: \(tokens.length) tokens after \(start) exceed the context of "
        + "\(configuration.context)")
    return pass(embedding(tokens, pass), at: embedded)
  }

  /// Logits of hidden states that every block takes further.
  private func logits(
    _ hidden: Variable, _ pass: ForwardPass,
    _ step: (Variable, LlamaBlock, Int) throws -> Variable
  ) rethrows -> Variable {
    var hidden = hidden
    for (index, block) in blocks.enumerated() { hidden = try step(hidden, block, index) }
    return head(hidden, pass)
  }
}

/// One block: `h + attention(norm(h))`, then `h + feedForward(norm(h))`.
struct LlamaBlock: Module {
  let inputNorm: RMSNorm
  let attention: LlamaAttention
  let postNorm: RMSNorm
  let feedForward: LlamaFeedForward
  let attended, fed: Site

  init(_ configuration: LlamaConfiguration, _ table: RotaryTable, _ build: ModelBuilder) {
    let (width, epsilon) = (configuration.hidden, configuration.normEpsilon)
    inputNorm = RMSNorm(build.scoped("input_layernorm"), width: width, epsilon: epsilon)
    attention = LlamaAttention(configuration, table, build.scoped("self_attn"))
    postNorm = RMSNorm(build.scoped("post_attention_layernorm"), width: width, epsilon: epsilon)
    feedForward = LlamaFeedForward(configuration, build.scoped("mlp"))
    attended = build.scoped("self_attn").site("residual", kind: .residual)
    fed = build.scoped("mlp").site("residual", kind: .residual)
  }

  func callAsFunction(_ hidden: Variable, _ pass: ForwardPass) -> Variable {
    feeding(hidden + attention(inputNorm(hidden, pass), pass), pass)
  }

  func extending(
    _ cache: inout LayerCache, _ hidden: Variable, _ pass: ForwardPass
  ) throws -> Variable {
    feeding(hidden + (try attention.extending(&cache, inputNorm(hidden, pass), pass)), pass)
  }

  private func feeding(_ sum: Variable, _ pass: ForwardPass) -> Variable {
    let sum = pass(sum, at: attended)
    return pass(sum + feedForward(postNorm(sum, pass), pass), at: fed)
  }
}

/// SwiGLU: `down(silu(gate(x)) · up(x))`.
struct LlamaFeedForward: Module {
  let gate, up, down: Linear
  let input: Site

  init(_ configuration: LlamaConfiguration, _ build: ModelBuilder) {
    let deviation = Initializer.normal(standardDeviation: configuration.initializerDeviation)
    let (width, inner) = (configuration.hidden, configuration.feedForward)
    let bias = configuration.feedForwardBias
    input = build.site("input")
    gate = Linear(
      build.scoped("gate_proj"), from: width, to: inner, bias: bias, initializer: deviation,
      sharing: input)
    up = Linear(
      build.scoped("up_proj"), from: width, to: inner, bias: bias, initializer: deviation,
      sharing: input)
    build.fuse(gate, up)
    down = Linear(
      build.scoped("down_proj"), from: inner, to: width, bias: bias, initializer: deviation)
  }

  func callAsFunction(_ x: Variable, _ pass: ForwardPass) -> Variable {
    let seen = pass(x, at: input)
    return down(gate(seen: seen, pass).swiGLU(up(seen: seen, pass)), pass)
  }
}
