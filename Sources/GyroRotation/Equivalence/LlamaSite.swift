import GyroModels
import GyroTensors

/// What flows through an activation site of a Llama, and so what rotations do to it.
enum LlamaSite {
  /// A vector of the residual stream.
  case residual
  /// A vector of the residual stream, normalized.
  case normalized
  case queries(Int), keys(Int), values(Int)
  /// Mixed values: the input of `o_proj`.
  case mixed(Int)
  /// The input of `down_proj`.
  case feedForward(Int)
  case logits

  /// nil for a site that rotations say nothing of.
  init?(_ path: ParameterPath) {
    let parts = path.name.split(separator: ".").map(String.init)
    switch path.name {
    case "model.embed_tokens.output":
      self = .residual
      return
    case "lm_head.input":
      self = .normalized
      return
    case "lm_head.output":
      self = .logits
      return
    default: break
    }
    guard parts.count > 4, parts[0...1] == ["model", "layers"], let layer = Int(parts[2]) else {
      return nil
    }
    switch parts[3...].joined(separator: ".") {
    case "self_attn.residual", "mlp.residual": self = .residual
    case "self_attn.input", "mlp.input": self = .normalized
    case "self_attn.queries": self = .queries(layer)
    case "self_attn.keys": self = .keys(layer)
    case "self_attn.values": self = .values(layer)
    case "self_attn.o_proj.input": self = .mixed(layer)
    case "mlp.down_proj.input": self = .feedForward(layer)
    default: return nil
    }
  }

  /// An activation `[tokens, width]` of a model with rotations merged, as the model without them
  /// has it; nil for what depends on gains as well.
  func undone(
    _ value: Matrix64, _ rotations: LlamaRotations, _ configuration: LlamaConfiguration
  ) -> Matrix64? {
    let scalings = rotations.scalings
    switch self {
    case .normalized: return nil
    case .logits: return value
    case .residual:
      return rotations.residual.map { value.matmul($0, transposingOther: true) } ?? value
    case .queries(let layer):
      guard let pairs = scalings?.keys?[layer] else { return value }
      let factors = configuration.queryFactors(configuration.elementFactors(ofPairs: pairs))
      return value.scalingColumns(by: factors)
    case .keys(let layer):
      guard let pairs = scalings?.keys?[layer] else { return value }
      let head = configuration.elementFactors(ofPairs: pairs)
      let factors = (0..<value.columns / head.count).flatMap { _ in head }
      return value.scalingColumns(by: factors.map { 1 / $0 })
    case .values(let layer):
      return unturned(value, rotations, layer, scalings?.values?[layer])
    case .mixed(let layer):
      let factors = (scalings?.values?[layer]).map(configuration.queryFactors)
      return unturned(value, rotations, layer, factors)
    case .feedForward(let layer):
      guard let factors = scalings?.feedForward?[layer] else { return value }
      return value.scalingColumns(by: factors.map { 1 / $0 })
    }
  }

  private func unturned(
    _ value: Matrix64, _ rotations: LlamaRotations, _ layer: Int, _ factors: [Double]?
  ) -> Matrix64 {
    var result = value
    if let rotation = rotations.values?[layer] {
      result = result.rotatingColumnBlocks(by: rotation.transposed())
    }
    if let factors { result = result.scalingColumns(by: factors.map { 1 / $0 }) }
    return result
  }
}
