import GyroModels

/// What llama.cpp calls the tensors of a model, and how it wants their rows.
struct GGUFNames: Sendable {
  let configuration: LlamaConfiguration

  /// The architecture's name in a file.
  var architecture: String {
    switch configuration.family {
    case .llama, .mistral: "llama"
    case .qwen2: "qwen2"
    case .qwen3: "qwen3"
    }
  }

  private static let top = [
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
  ]
  private static let block = [
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
  ]

  /// The name in a file, e.g. `blk.3.attn_q.weight`; nil for what llama.cpp has no place for.
  func name(of path: ParameterPath) -> String? {
    let parts = path.name.split(separator: ".").map(String.init)
    guard let suffix = parts.last, suffix == "weight" || suffix == "bias" else { return nil }
    if let stem = Self.top[parts.dropLast().joined(separator: ".")] { return "\(stem).\(suffix)" }
    guard parts.count > 4, parts[0] == "model", parts[1] == "layers", Int(parts[2]) != nil,
      let stem = Self.block[parts[3..<parts.count - 1].joined(separator: ".")]
    else { return nil }
    // Only the architecture `llama` reads offsets of the attention's output and the feed-forward.
    let isOffset = suffix == "bias"
    if isOffset, architecture != "llama", !["attn_q", "attn_k", "attn_v"].contains(stem) {
      return nil
    }
    return "blk.\(parts[2]).\(stem).\(suffix)"
  }

  /// Whether a tensor of one number, by which NVFP4 products are multiplied, may stand beside it.
  static func takesTensorScale(_ path: ParameterPath) -> Bool {
    path.name.hasPrefix("model.layers.") && path.name.hasSuffix("_proj.weight")
  }

  /// The name of that tensor.
  static func scaleName(_ name: String) -> String {
    String(name.dropLast("weight".count)) + "scale"
  }

  /// Which row of the model stands at each row of the file; nil when all stay where they are.
  ///
  /// The rotary embedding of Hugging Face files pairs feature j of a head with j + size/2; the
  /// architecture `llama` pairs neighbors, so queries and keys come as 0, size/2, 1, size/2 + 1, …
  func rowOrder(of path: ParameterPath) -> [Int]? {
    guard architecture == "llama" else { return nil }
    let heads: Int
    if path.name.contains(".q_proj.") {
      heads = configuration.heads
    } else if path.name.contains(".k_proj.") {
      heads = configuration.keyValueHeads
    } else {
      return nil
    }
    let size = configuration.headSize
    return (0..<heads * size).map { row in
      let (head, place) = (row / size, row % size)
      return head * size + place / 2 + (place % 2) * (size / 2)
    }
  }
}
