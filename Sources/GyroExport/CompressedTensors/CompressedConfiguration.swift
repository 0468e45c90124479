import Foundation
import GyroQuantization

/// `quantization_config` of a checkpoint in compressed-tensors' layout.
struct CompressedConfiguration {
  /// Layers that are quantized alike.
  struct Group {
    let targets: TargetList
    let weights: CompressedArguments?
    let inputs: CompressedArguments?
    /// nil where only the whole configuration names a format.
    let format: String?
  }

  /// The format of all layers, or `mixed-precision`.
  let format: String
  let groups: [Group]
  /// Layers that stay float although a target covers them.
  let ignored: TargetList
  /// Keys and values; nil when they stay float.
  let cache: CompressedArguments?
  /// `transform_config` as it stands, empty when there is none.
  let transforms: [String: Any]

  static let method = "compressed-tensors"

  // MARK: Writing

  init(
    _ modules: CompressedModules, ignoring ignored: [String], cache: CompressedArguments?,
    transforms: [String: Any]?
  ) throws(ExportError) {
    var steps = 0
    let groups = modules.groups
    let formats = Set(groups.map(\.key.format))
    format = formats.count == 1 ? formats.first!.rawValue : "mixed-precision"
    self.groups = try groups.map { key, members throws(ExportError) in
      Group(
        targets: try TargetList(
          groups.count == 1 ? ["Linear"] : modules.targets(members), &steps),
        weights: key.weights, inputs: key.inputs, format: key.format.rawValue)
    }
    self.ignored = try TargetList(ignored, &steps)
    self.cache = cache
    self.transforms = transforms ?? [:]
  }

  var json: [String: Any] {
    var object: [String: Any] = [
      "quant_method": Self.method, "format": format, "quantization_status": "compressed",
      "ignore": ignored.texts,
    ]
    object["config_groups"] = Dictionary(
      uniqueKeysWithValues: groups.enumerated().map { place, group in
        (
          "group_\(place)",
          [
            "targets": group.targets.texts, "weights": group.weights?.json as Any? ?? NSNull(),
            "input_activations": group.inputs?.json as Any? ?? NSNull(),
            "output_activations": NSNull(), "format": group.format as Any? ?? NSNull(),
          ] as [String: Any]
        )
      })
    if let cache { object["kv_cache_scheme"] = cache.json }
    if !transforms.isEmpty { object["transform_config"] = transforms }
    return object
  }

  // MARK: Reading

  /// Reads `quantization_config`.
  /// - Throws: ``ExportError``.
  init(_ value: Any?, file: String) throws(ExportError) {
    let place = ConfigurationPlace(file: file, key: "quantization_config")
    let object = try place.object(value)
    let method = try place.text(object, "quant_method", default: Self.method)
    guard method == Self.method else {
      throw place.unsupported("the method '\(method)'", Self.method)
    }
    format = try place.text(object, "format", default: "dense")
    var steps = 0
    ignored = try TargetList(try place.texts(object, "ignore"), &steps)
    let all = object["config_groups"] as? [String: Any] ?? [:]
    var groups: [Group] = []
    for name in all.keys.sorted(by: Self.inOrder) {
      groups.append(
        try Self.group(all[name], place.inside("config_groups").inside(name), &steps))
    }
    self.groups = groups
    cache = try CompressedArguments(
      object["kv_cache_scheme"], place.inside("kv_cache_scheme"))
    transforms = object["transform_config"] as? [String: Any] ?? [:]
    if let sparsity = object["sparsity_config"] as? [String: Any],
      let kind = sparsity["format"] as? String, kind != "dense"
    {
      throw place.unsupported("sparse weights ('\(kind)')", "dense ones")
    }
  }

  private static func group(
    _ value: Any?, _ place: ConfigurationPlace, _ steps: inout Int
  ) throws(ExportError) -> Group {
    let object = try place.object(value)
    return Group(
      targets: try TargetList(try place.texts(object, "targets"), &steps),
      weights: try CompressedArguments(object["weights"], place.inside("weights")),
      inputs: try CompressedArguments(
        object["input_activations"], place.inside("input_activations")),
      format: object["format"] as? String)
  }

  /// `group_2` before `group_10`.
  private static func inOrder(_ a: String, _ b: String) -> Bool {
    (a.utf8.count, a) < (b.utf8.count, b)
  }

  /// The group of a linear layer; nil for one that stays float. A name counts before an expression,
  /// and that before a class.
  func group(of module: String) -> Group? {
    guard ignored.rank(of: module) == nil else { return nil }
    var best: (rank: TargetList.Rank, group: Group)?
    for group in groups {
      guard let rank = group.targets.rank(of: module) else { continue }
      if best.map({ rank < $0.rank }) ?? true { best = (rank, group) }
    }
    return best?.group
  }
}
