import GyroModels
import GyroTensors

/// One tensor of a Llama, by what it does there.
enum LlamaPlace: Hashable, Sendable {
  case embedding, lastNorm, head
  case layer(Int, Part)

  /// The tensors of a block, by their names in checkpoints.
  enum Part: String, CaseIterable, Sendable {
    case inputNorm = "input_layernorm.weight"
    case query = "self_attn.q_proj.weight"
    case queryBias = "self_attn.q_proj.bias"
    case key = "self_attn.k_proj.weight"
    case keyBias = "self_attn.k_proj.bias"
    case value = "self_attn.v_proj.weight"
    case valueBias = "self_attn.v_proj.bias"
    case output = "self_attn.o_proj.weight"
    case outputBias = "self_attn.o_proj.bias"
    case queryNorm = "self_attn.q_norm.weight"
    case keyNorm = "self_attn.k_norm.weight"
    case postNorm = "post_attention_layernorm.weight"
    case gate = "mlp.gate_proj.weight"
    case gateBias = "mlp.gate_proj.bias"
    case up = "mlp.up_proj.weight"
    case upBias = "mlp.up_proj.bias"
    case down = "mlp.down_proj.weight"
    case downBias = "mlp.down_proj.bias"
  }

  /// The normalization that this matrix reads through; nil when it reads something else.
  var norm: LlamaPlace? {
    switch self {
    case .head: .lastNorm
    case .layer(let layer, .query), .layer(let layer, .key), .layer(let layer, .value):
      .layer(layer, .inputNorm)
    case .layer(let layer, .gate), .layer(let layer, .up): .layer(layer, .postNorm)
    default: nil
    }
  }

  /// Whether this is the gain of a normalization of the residual stream.
  var isResidualNorm: Bool {
    switch self {
    case .lastNorm, .layer(_, .inputNorm), .layer(_, .postNorm): true
    default: false
    }
  }

  var path: ParameterPath {
    switch self {
    case .embedding: "model.embed_tokens.weight"
    case .lastNorm: "model.norm.weight"
    case .head: "lm_head.weight"
    case .layer(let layer, let part): ParameterPath("model.layers.\(layer).\(part.rawValue)")
    }
  }
}

extension LlamaConfiguration {
  /// Everything a model of this configuration holds, in no particular order.
  var places: [LlamaPlace] {
    let parts = LlamaPlace.Part.allCases.filter(has)
    return [.embedding, .lastNorm] + (tiedEmbeddings ? [] : [.head])
      + (0..<layers).flatMap { layer in parts.map { .layer(layer, $0) } }
  }

  private func has(_ part: LlamaPlace.Part) -> Bool {
    switch part {
    case .queryBias, .keyBias, .valueBias: queryKeyValueBias
    case .outputBias: outputBias
    case .gateBias, .upBias, .downBias: feedForwardBias
    case .queryNorm, .keyNorm: queryKeyNorm
    default: true
    }
  }

  /// Rows and columns of a tensor; a vector is one row.
  func extents(of place: LlamaPlace) -> (rows: Int, columns: Int) {
    let (queries, keys) = (heads * headSize, keyValueHeads * headSize)
    return switch place {
    case .embedding, .head: (vocabulary, hidden)
    case .lastNorm: (1, hidden)
    case .layer(_, let part):
      switch part {
      case .inputNorm, .postNorm, .outputBias, .downBias: (1, hidden)
      case .query: (queries, hidden)
      case .queryBias: (1, queries)
      case .key, .value: (keys, hidden)
      case .keyBias, .valueBias: (1, keys)
      case .output: (hidden, queries)
      case .queryNorm, .keyNorm: (1, headSize)
      case .gate, .up: (feedForward, hidden)
      case .gateBias, .upBias: (1, feedForward)
      case .down: (hidden, feedForward)
      }
    }
  }
}

extension ParameterStore {
  /// A tensor in Float64; a vector is one row.
  /// - Throws: `RotationError.missing`, `.shape`, `.quantized`, `.notFinite`.
  func matrix(
    at place: LlamaPlace, _ configuration: LlamaConfiguration
  ) throws(RotationError) -> Matrix64 {
    guard contains(place.path) else { throw .missing(place.path) }
    let value = self[place.path].decodingApart()
    let (rows, columns) = configuration.extents(of: place)
    let expected: Shape = isVector(place) ? [columns] : [rows, columns]
    guard value.shape == expected else {
      throw .shape(place.path, expected: "\(expected)", got: "\(value.shape)")
    }
    guard value.encoded == nil else { throw .quantized(place.path) }
    let matrix = Matrix64(value.reshaped([rows, columns]))
    if !value.allFinite { try matrix.checkFinite(place.path.name) }
    return matrix
  }

  /// Rounds to Float32, once.
  mutating func set(_ matrix: Matrix64, at place: LlamaPlace) {
    self[place.path] = matrix.tensor.reshaped(self[place.path].shape.dimensions)
  }

  private func isVector(_ place: LlamaPlace) -> Bool {
    guard case .layer(_, let part) = place else { return place == .lastNorm }
    return part.rawValue.hasSuffix("bias") || part.rawValue.hasSuffix("norm.weight")
  }
}

extension Matrix64 {
  /// - Throws: `RotationError.notFinite`.
  func checkFinite(_ name: String) throws(RotationError) {
    if let place = elements.firstIndex(where: { !$0.isFinite }) {
      throw .notFinite(what: name, row: place / columns, column: place % columns)
    }
  }
}
