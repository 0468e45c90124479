import GyroManifolds
import GyroModels
import GyroQuantization
import GyroTensors

/// Where rotations and scaling pairs stand in a Llama: the factors at the sides of every weight, bias,
/// gain and activation. One table serves learning and merging.
struct LlamaFrames: Sendable {
  let configuration: LlamaConfiguration
  let placements: Set<RotationRule.Placement>
  let scalings: Set<ScalingPair>
  /// Factors at the columns of activations, by path of site.
  let sites: [ParameterPath: [FrameFactor]]
  /// Sides of weights, and of biases and gains, which are single rows.
  let tensors: [ParameterPath: [FrameSide]]

  /// - Parameter online: the transforms of R3 and R4, whose other half is merged.
  init(
    _ configuration: LlamaConfiguration, _ placements: Set<RotationRule.Placement>,
    scalings: Set<ScalingPair> = [], online: OnlineTransforms = OnlineTransforms()
  ) {
    self.configuration = configuration
    self.placements = placements
    self.scalings = scalings
    var table = Table(configuration, placements, scalings, online)
    table.placeEnds()
    for layer in 0..<configuration.layers {
      table.placeAttention(layer)
      table.placeFeedForward(layer)
    }
    sites = table.sites.filter { !$0.value.isEmpty }
    tensors = table.tensors.filter { !$0.value.isEmpty }
  }

  /// Where the learned numbers live, in order: R1, then layer by layer.
  var learnedPaths: [ParameterPath] {
    var seen = Set<ParameterPath>()
    let found = tensors.values.flatMap { $0 }.flatMap(\.factors).compactMap(\.path)
    let known = Set(found)
    var order = [RotationPaths.residual]
    for layer in 0..<configuration.layers {
      order.append(RotationPaths.values(layer))
      order += ScalingPair.allCases.map { RotationPaths.scaling($0, layer) }
    }
    return order.filter { known.contains($0) && seen.insert($0).inserted }
  }
}

/// Where the numbers of rotations live in a store while they are learned.
enum RotationPaths {
  static let residual: ParameterPath = "rotation.r1"

  static func values(_ layer: Int) -> ParameterPath {
    ParameterPath("rotation.layers.\(layer).r2")
  }

  static func scaling(_ pair: ScalingPair, _ layer: Int) -> ParameterPath {
    ParameterPath("rotation.layers.\(layer).scaling.\(pair.rawValue)")
  }
}

/// The table in the making.
private struct Table {
  let configuration: LlamaConfiguration
  let placements: Set<RotationRule.Placement>
  let scalings: Set<ScalingPair>
  let online: OnlineTransforms
  var sites: [ParameterPath: [FrameFactor]] = [:]
  var tensors: [ParameterPath: [FrameSide]] = [:]

  init(
    _ configuration: LlamaConfiguration, _ placements: Set<RotationRule.Placement>,
    _ scalings: Set<ScalingPair>, _ online: OnlineTransforms
  ) {
    self.configuration = configuration
    self.placements = placements
    self.scalings = scalings
    self.online = online
  }

  private mutating func place(
    _ scope: String, columns: [FrameFactor] = [], rows: [FrameFactor] = []
  ) {
    let sides = [FrameSide(factors: columns), FrameSide(isRows: true, factors: rows)]
    tensors[ParameterPath(scope + ".weight")] = sides.filter { !$0.factors.isEmpty }
    tensors[ParameterPath(scope + ".bias")] = rows.isEmpty ? [] : [FrameSide(factors: rows)]
  }

  private mutating func placeGain(_ scope: String, _ factors: [FrameFactor]) {
    tensors[ParameterPath(scope + ".weight")] = factors.isEmpty ? [] : [FrameSide(factors: factors)]
  }

  // MARK: Factors

  private var residual: [FrameFactor] {
    placements.contains(.residual) ? [.rotation(RotationPaths.residual)] : []
  }

  private func scaling(
    _ pair: ScalingPair, _ layer: Int, _ places: [Int], isInverse: Bool = false
  ) -> [FrameFactor] {
    guard scalings.contains(pair) else { return [] }
    return [
      .scaling(
        RotationPaths.scaling(pair, layer), places: places.map(Int32.init), isInverse: isInverse)
    ]
  }

  private func transform(at site: String) -> [FrameFactor] {
    online.transforms[ParameterPath(site)].map { [.hadamard($0)] } ?? []
  }

  /// The head of keys and values that each query head reads.
  private func sharedHeads(_ heads: Int) -> [Int] {
    (0..<heads).map { $0 * configuration.keyValueHeads / heads }
  }

  // MARK: Places

  mutating func placeEnds() {
    tensors["model.embed_tokens.weight"] = [FrameSide(factors: residual)]
    tensors["lm_head.weight"] = [FrameSide(factors: residual)]
    sites["model.embed_tokens.output"] = residual
    sites["lm_head.input"] = residual
  }

  mutating func placeAttention(_ layer: Int) {
    let scope = "model.layers.\(layer).self_attn"
    let (heads, shared, size) = (
      configuration.heads, configuration.keyValueHeads, configuration.headSize
    )
    let all = Array(0..<configuration.hidden)
    let enter = residual + scaling(.attentionInputs, layer, all)
    let read = residual + scaling(.attentionInputs, layer, all, isInverse: true)
    placeGain(
      "model.layers.\(layer).input_layernorm", scaling(.attentionInputs, layer, all))
    sites[ParameterPath(scope + ".input")] = enter

    // One factor per rotary pair (i, i + size / 2), which the rotary embedding cannot tell apart.
    func pairs(_ heads: [Int]) -> [Int] {
      heads.flatMap { head in (0..<size).map { head * (size / 2) + $0 % (size / 2) } }
    }
    let hasNorms = configuration.queryKeyNorm
    let keyPlaces = pairs(hasNorms ? Array(repeating: 0, count: shared) : Array(0..<shared))
    let queryPlaces = pairs(hasNorms ? Array(repeating: 0, count: heads) : sharedHeads(heads))
    let keys = scaling(.keys, layer, keyPlaces)
    let queries = scaling(.keys, layer, queryPlaces, isInverse: true)
    if hasNorms {
      placeGain(scope + ".q_norm", scaling(.keys, layer, pairs([0]), isInverse: true))
      placeGain(scope + ".k_norm", scaling(.keys, layer, pairs([0])))
    }
    place(scope + ".q_proj", columns: read, rows: hasNorms ? [] : queries)
    place(scope + ".k_proj", columns: read, rows: hasNorms ? [] : keys)
    sites[ParameterPath(scope + ".queries")] = queries + transform(at: scope + ".queries")
    sites[ParameterPath(scope + ".keys")] = keys + transform(at: scope + ".keys")

    let turn: [FrameFactor] =
      placements.contains(.values) ? [.rotation(RotationPaths.values(layer))] : []
    let kept = Array(0..<shared * size)
    let readers = sharedHeads(heads).flatMap { head in (0..<size).map { head * size + $0 } }
    let values = scaling(.values, layer, kept) + turn
    place(scope + ".v_proj", columns: read, rows: values)
    sites[ParameterPath(scope + ".values")] = values
    sites[ParameterPath(scope + ".o_proj.input")] = scaling(.values, layer, readers) + turn
    place(
      scope + ".o_proj", columns: scaling(.values, layer, readers, isInverse: true) + turn,
      rows: residual)
    sites[ParameterPath(scope + ".residual")] = residual
  }

  mutating func placeFeedForward(_ layer: Int) {
    let scope = "model.layers.\(layer).mlp"
    let all = Array(0..<configuration.hidden)
    let inner = Array(0..<configuration.feedForward)
    let read = residual + scaling(.feedForwardInputs, layer, all, isInverse: true)
    placeGain(
      "model.layers.\(layer).post_attention_layernorm", scaling(.feedForwardInputs, layer, all))
    sites[ParameterPath(scope + ".input")] = residual + scaling(.feedForwardInputs, layer, all)
    place(scope + ".gate_proj", columns: read)
    place(scope + ".up_proj", columns: read, rows: scaling(.feedForward, layer, inner))
    let turn = transform(at: scope + ".down_proj.input")
    sites[ParameterPath(scope + ".down_proj.input")] = scaling(.feedForward, layer, inner) + turn
    place(
      scope + ".down_proj", columns: scaling(.feedForward, layer, inner, isInverse: true) + turn,
      rows: residual)
    sites[ParameterPath(scope + ".residual")] = residual
  }
}
