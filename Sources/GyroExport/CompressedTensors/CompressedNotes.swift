import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors

extension CompressedDraft {
  /// What the user should know: where runtimes do otherwise than the model was trained, and rules of
  /// vLLM's kernels that the file does not meet.
  var notes: [String] {
    var notes: [String] = []
    if let refusal = cache.refusal { notes.append(refusal) }
    notes += activationNotes + simulationNotes + rotationNotes + runtimeNotes + fusionNotes
    return notes
  }

  /// One note for each answer to a demand that is not exact, with the number of places.
  private var activationNotes: [String] {
    var reasons: [(text: String, count: Int)] = []
    func count(_ text: String) {
      if let place = reasons.firstIndex(where: { $0.text == text }) {
        reasons[place].count += 1
      } else {
        reasons.append((text, 1))
      }
    }
    for demand in model.demands {
      guard case .activation(let site, let rule) = demand else { continue }
      if case .leftToRuntime(let text) = CompressedActivations(rule, at: site).fidelity {
        count("activations: " + text)
      }
    }
    let float = modules.plain.filter { $0.inputs != nil }.map(\.name)
    if let first = float.first {
      reasons.append(
        ("layers in float read their inputs unquantized, first \(first)", float.count))
    }
    if language.configuration.tiedEmbeddings,
      let site = model.parameters.sites.first(where: { $0.path.name == "lm_head.input" }),
      model.plan?.quantizer(at: site.path) != nil
    {
      reasons.append(("the tied lm_head reads its input unquantized", 1))
    }
    return reasons.map { $0.text + ($0.count > 1 ? " (\($0.count) places)" : "") }
  }

  /// Where the file says all there is to say, and transformers' arithmetic still differs from that of
  /// training and of kernels.
  private var simulationNotes: [String] {
    let inputs = modules.modules.filter { $0.layout != nil }.compactMap(\.inputs)
    var notes: [String] = []
    if inputs.contains(where: { $0.element == .int && !$0.isSymmetric }) {
      notes.append(
        "activations: transformers adds the zero point before it rounds, so that a value halfway "
          + "between two codes takes the other one where the zero point is odd; kernels of vLLM round "
          + "first, as trained")
    }
    if inputs.contains(where: { $0.bits == 8 && [.tensor, .token].contains($0.strategy) }) {
      notes.append(
        "activations: transformers multiplies by the scales before products, which rounds every "
          + "operand; kernels of vLLM multiply codes and scale the sum, as trained: a value on the "
          + "border of two codes may take the other one")
    }
    return notes
  }

  private var rotationNotes: [String] {
    var notes: [String] = []
    if transforms.hasFeedForward {
      notes.append(
        "R4 runs online: vLLM applies it, transformers passes over transform_config and computes "
          + "something else; \(CompressedTransforms.advice)")
    }
    if transforms.hasKeys {
      notes.append(
        "R3 rotates queries and keys before keys are quantized: transform_config says so, but vLLM "
          + "and transformers pass over it, and compressed-tensors' own simulation quantizes rotated "
          + "queries as well; train with rotations [r1, r2, r4] beside a quantized cache")
    }
    if transforms.dropsKeys { notes.append("R3 is dropped: it cancels where keys stay float") }
    return notes
  }

  // MARK: Runtimes

  private var runtimeNotes: [String] {
    var reasons: [(text: String, layers: [String])] = []
    for module in modules.modules {
      guard let layout = module.layout else { continue }
      for text in shortcomings(module, layout) {
        if let place = reasons.firstIndex(where: { $0.text == text }) {
          reasons[place].layers.append(module.name)
        } else {
          reasons.append((text, [module.name]))
        }
      }
    }
    var notes = reasons.map { text, layers in
      "vLLM: \(text) (\(layers.count) layers, first \(layers[0]))"
    }
    let formats = Set(modules.groups.map(\.key.format))
    if floatType != .bfloat16, formats.contains(where: { $0.isMicroscaling || $0 == .nvfp4 }) {
      notes.append(
        "transformers decodes FP4 and MX weights to bfloat16: load the model with that type")
    }
    notes += zeroPointNotes
    if let arguments = cache.arguments,
      !(arguments.element == .float && arguments.bits == 8 && arguments.strategy == .tensor)
    {
      notes.append("vLLM: its cache is FP8 with one scale per tensor, or float")
    }
    return notes
  }

  private var zeroPointNotes: [String] {
    let asymmetric = modules.groups.filter { !$0.key.weights.isSymmetric }
    if asymmetric.contains(where: { $0.key.format == .packed }) {
      return [
        modules.groups.count == 1
          ? "transformers loads packed zero points only with CompressedTensorsConfig(dequantize=True)"
          : "transformers does not load packed zero points beside other layers: it needs the storage "
            + CompressedFormat.integers.rawValue
      ]
    }
    guard options.storage == nil, asymmetric.contains(where: { $0.key.inputs == nil }) else {
      return []
    }
    return [
      "weights with zero points are bytes, as transformers loads no packed ones beside other layers; "
        + "vLLM needs the storage \(CompressedFormat.packed.rawValue)"
    ]
  }

  /// Rules that loaders and kernels of vLLM add.
  private func shortcomings(
    _ module: CompressedModules.Module, _ layout: CompressedLayout
  ) -> [String] {
    let shape = model.parameters[module.weight].shape
    let arguments = layout.weights
    var texts: [String] = []
    switch layout.format {
    case .packed:
      if ![4, 8].contains(arguments.bits) {
        texts.append("kernels take packed words of 4 and 8 bits, not \(arguments.bits)")
      }
      if case .group(let size) = arguments.strategy, ![32, 64, 128].contains(size) {
        texts.append("kernels take groups of 32, 64 and 128, not \(size)")
      }
      if !shape[1].isMultiple(of: 128) || !shape[0].isMultiple(of: 64) {
        texts.append("kernels take inputs in multiples of 128 and outputs in multiples of 64")
      }
      if scaleType != floatType {
        texts.append(
          "scales are F32 beside a model in \(floatType.rawValue): train with scales of that type")
      }
      if module.inputs != nil { texts.append("packed words beside quantized activations") }
    case .integers, .floats:
      if !arguments.isSymmetric { texts.append("bytes with zero points") }
      if arguments.bits != 8 { texts.append("bytes that hold \(arguments.bits) bits") }
      switch arguments.strategy {
      case .tensor, .channel, .token: break
      case .block(rows: 128, columns: 128) where layout.format == .floats: break
      default: texts.append("bytes scaled otherwise than per tensor or channel")
      }
    case .nvfp4: break
    case .mxfp4, .mxfp8: break
    case .mxfp6: texts.append("no kernels for MXFP6")
    }
    return texts
  }

  /// Layers that vLLM runs as one must be quantized alike, and share the second scale of NVFP4.
  private var fusionNotes: [String] {
    let fused = [["q_proj", "k_proj", "v_proj"], ["gate_proj", "up_proj"]]
    let byName = Dictionary(
      modules.modules.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    var unlike: [String] = []
    var scaled: [String] = []
    for module in modules.modules {
      guard let parts = fused.first(where: { module.name.hasSuffix("." + $0[0]) }) else { continue }
      let scope = module.name.dropLast(parts[0].count)
      let members = parts.compactMap { byName[scope + $0] }
      if Set(members.map(\.key)).count > 1 { unlike.append(String(scope) + parts[0]) }
      let scales = members.filter { $0.layout?.format == .nvfp4 }.compactMap {
        model.parameters[$0.weight].quantizerGrid?.scales.tensorScale
      }
      if Set(scales).count > 1 { scaled.append(String(scope) + parts[0]) }
    }
    var notes: [String] = []
    if let first = unlike.first {
      notes.append(
        "vLLM: q, k and v, and gate and up, run as one layer and must be quantized alike "
          + "(\(unlike.count) places, first \(first))")
    }
    if let first = scaled.first {
      notes.append(
        "vLLM: q, k and v, and gate and up, run as one layer with one scale for the tensor; here each "
          + "has its own, so vLLM computes something else (\(scaled.count) places, first \(first))")
    }
    return notes
  }
}
