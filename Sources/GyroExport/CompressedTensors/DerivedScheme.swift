import GyroModels
import GyroQuantization
import GyroTensors

/// The scheme that another program's configuration describes, as far as one of ours says the same:
/// one rule for all quantized layers, activations that follow the data, Hadamard transforms.
struct DerivedScheme {
  /// nil when the configuration is not that simple; weights then come with codes and no scheme.
  private(set) var scheme: QuantizationScheme?
  private(set) var warnings: [String] = []

  init(_ folder: CompressedFolder, _ parameters: ParameterStore) throws {
    var groups: [CompressedConfiguration.Group] = []
    var kept: [PathPattern] = []
    var weights: QuantizationRule?
    for path in parameters.paths {
      guard let parameter = parameters.parameter(at: path), parameter.kind == .linear else {
        continue
      }
      let module = CompressedModules.module(path)
      guard let reader = try folder.weight(module, parameter.shape),
        let group = folder.quantization.group(of: module)
      else {
        kept.append(PathPattern("^" + module))
        continue
      }
      let isNew = !groups.contains {
        $0.weights == group.weights && $0.inputs == group.inputs
      }
      if isNew { groups.append(group) }
      if weights == nil { weights = try Self.rule(reader) }
    }
    let rotations = try Self.rotations(folder)
    if folder.quantization.cache != nil {
      warnings.append("the cache's own scales are not read: keys and values stay float")
    }
    guard groups.count == 1, let weights else {
      if groups.count > 1 {
        warnings.append("layers are quantized in several ways: weights only, without a scheme")
      }
      scheme = rotations.map { QuantizationScheme(rotations: $0) }
      return
    }
    let inputs = groups[0].inputs
    let activations = inputs.flatMap(Self.activations)
    if inputs != nil, activations == nil {
      warnings.append("how activations are quantized is not read: they stay float")
    }
    scheme = QuantizationScheme(
      weights: weights, activations: activations, keep: kept, rotations: rotations)
  }

  /// nil where no rule of ours makes such weights.
  private static func rule(_ reader: CompressedWeightReader) throws -> QuantizationRule? {
    let (format, granularity, scale) = try reader.description()
    let isSymmetric = reader.arguments.isSymmetric
    guard FormatNames.format(format.name) != nil, !(reader.arguments.bits < 2) else { return nil }
    let block = BlockFormat.all.first {
      $0.element == format.name && $0.granularity == granularity && $0.scale == scale
    }
    return QuantizationRule(
      format: block?.name ?? format.name, granularity: granularity, scale: scale,
      isSymmetric: isSymmetric)
  }

  /// The rule of activations that follow the data, as transformers simulates them.
  private static func activations(_ arguments: CompressedArguments) -> QuantizationRule? {
    guard arguments.range == .dynamic, arguments.scaleType == nil else { return nil }
    let granularity: Granularity
    switch arguments.strategy {
    case .token: granularity = .token
    case .tensor: granularity = .tensor
    case .group(let size): granularity = .group(size)
    default: return nil
    }
    switch (arguments.element, arguments.bits) {
    case (.float, 8): return QuantizationRule(format: "e4m3", granularity: granularity)
    case (.int, 2...8):
      let suffix = arguments.isSymmetric ? "-half-range" : ""
      return QuantizationRule(
        format: "int\(arguments.bits)\(suffix)", granularity: granularity,
        isSymmetric: arguments.isSymmetric)
    default: return nil
    }
  }

  // MARK: Rotations

  /// The online part of `transform_config`: Sylvester's matrices in front of `down_proj`, and on
  /// queries and keys.
  /// - Throws: ``ExportError/unsupported(file:what:supported:)`` for others, without which the model
  ///   would compute something else.
  private static func rotations(_ folder: CompressedFolder) throws -> RotationRule? {
    guard let groups = folder.quantization.transforms["config_groups"] as? [String: Any] else {
      return nil
    }
    var rule = RotationRule([])
    for name in groups.keys.sorted() {
      let place = ConfigurationPlace(
        file: folder.url.relativePath, key: "transform_config.config_groups.\(name)")
      let group = try place.object(groups[name])
      let size = group["head_dim"] as? Int
      for item in group["apply"] as? [[String: Any]] ?? [] {
        let location = try place.text(item, "location", default: "")
        if location.hasPrefix("weight_") { continue }
        let isPlain =
          group["type"] as? String == "hadamard" && group["randomize"] as? Bool != true
          && item["inverse"] as? Bool != true
        let targets = try place.texts(item, "targets")
        let fits =
          location == "input"
          ? try covers(targets, only: "mlp.down_proj", folder)
            && (size ?? folder.shape.feedForward).nonzeroBitCount == 1
          : ["q_attn", "k_cache"].contains(location) && size == folder.shape.headSize
            && folder.shape.headSize.nonzeroBitCount == 1
        guard isPlain, fits else {
          throw place.unsupported(
            "an online transform at '\(location)'",
            "Hadamard matrices of size 2^k in front of down_proj, and on queries and keys")
        }
        if location == "input" {
          rule.placements.insert(.feedForward)
          rule.blockSize = size
        } else {
          rule.placements.insert(.keys)
        }
      }
    }
    return rule.placements.isEmpty ? nil : rule
  }

  /// Whether targets are the layers of one name in all blocks.
  private static func covers(
    _ targets: [String], only name: String, _ folder: CompressedFolder
  ) throws -> Bool {
    let layers = [
      "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
      "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
    ]
    var steps = 0
    let list = try TargetList(targets, &steps)
    return (0..<folder.shape.layers).allSatisfy { layer in
      layers.allSatisfy { part in
        (list.rank(of: "model.layers.\(layer).\(part)") != nil) == (part == name)
      }
    }
  }
}
