import GyroModels
import GyroQuantization
import GyroTensors

/// The linear layers of a model as compressed-tensors sees them: by the paths of their weights without
/// `.weight`, each with what happens to its weight and its input.
struct CompressedModules {
  struct Module {
    let name: String
    let weight: ParameterPath
    /// nil for a layer in float.
    let layout: CompressedLayout?
    let inputs: CompressedArguments?
    /// The site its input passes; nil when there is none.
    let site: Site?

    /// What layers of one group have in common.
    var key: Key? {
      layout.map { Key(format: $0.format, weights: $0.weights, inputs: inputs) }
    }
  }

  struct Key: Hashable {
    let format: CompressedFormat
    let weights: CompressedArguments
    let inputs: CompressedArguments?
  }

  private(set) var modules: [Module] = []

  /// - Parameter packsZeroPoints: whether whole numbers with zero points may lie in packed words.
  /// - Throws: ``ExportError/impossible(format:path:what:because:instead:)`` for a weight that no
  ///   layout carries.
  init(
    _ plan: QuantizationPlan?, _ parameters: ParameterStore, storage: String?,
    packsZeroPoints: Bool = true
  ) throws(ExportError) {
    let sites = Dictionary(
      parameters.sites.filter { $0.kind == .input }.map { ($0.path.name, $0) },
      uniquingKeysWith: { first, _ in first })
    let rules = Dictionary(
      (plan?.decisions ?? []).map { ($0.path, $0.rule) }, uniquingKeysWith: { first, _ in first })
    for path in parameters.paths {
      guard parameters.parameter(at: path)?.kind == .linear else { continue }
      let name = Self.module(path)
      let site = Self.site(of: name, sites)
      let rule = site.flatMap { rules[$0.path] ?? nil }
      let inputs = rule.flatMap { CompressedActivations($0, at: site!).arguments }
      let isSymmetric = Self.quantizer(at: path, plan, parameters)?.isSymmetric ?? true
      let layout = try Self.layout(
        path, plan, parameters, inputs,
        isSymmetric || packsZeroPoints ? storage : CompressedFormat.integers.rawValue)
      modules.append(
        Module(name: name, weight: path, layout: layout, inputs: inputs, site: site))
    }
  }

  /// A layer's name.
  static func module(_ weight: ParameterPath) -> String {
    weight.name.hasSuffix(".weight") ? String(weight.name.dropLast(".weight".count)) : weight.name
  }

  /// The nearest site around a layer: its own input, or one it shares with its neighbors.
  private static func site(of module: String, _ sites: [String: Site]) -> Site? {
    var scope = Substring(module)
    while true {
      if let site = sites[scope + ".input"] { return site }
      guard let dot = scope.lastIndex(of: ".") else { return nil }
      scope = scope[..<dot]
    }
  }

  private static func layout(
    _ path: ParameterPath, _ plan: QuantizationPlan?, _ parameters: ParameterStore,
    _ inputs: CompressedArguments?, _ storage: String?
  ) throws(ExportError) -> CompressedLayout? {
    guard let quantizer = quantizer(at: path, plan, parameters) else { return nil }
    do throws(CompressedLayout.Refusal) {
      return try CompressedLayout(quantizer, inputs: inputs, storage: storage)
    } catch {
      throw .impossible(
        format: CompressedTensorsExporter.name, path: path.name, what: quantizer.format.name,
        because: error.text, instead: "Train under a format it has, or export to 'safetensors'.")
    }
  }

  /// The quantizer of a weight: the scheme's, or that of the codes it came with.
  private static func quantizer(
    at path: ParameterPath, _ plan: QuantizationPlan?, _ parameters: ParameterStore
  ) -> Quantizer? {
    if let quantizer = plan?.quantizer(at: path) { return quantizer }
    guard let codes = parameters[path].encoded as? QuantizedTensor else { return nil }
    return try? Quantizer(
      codes.format, codes.granularity, scaleFormat: codes.scaleFormat,
      isSymmetric: codes.isSymmetric)
  }

  /// The groups of `config_groups`, the largest first; layers in float are in none.
  var groups: [(key: Key, modules: [Module])] {
    var groups: [(key: Key, modules: [Module])] = []
    var places: [Key: Int] = [:]
    for module in modules {
      guard let key = module.key else { continue }
      if let place = places[key] {
        groups[place].modules.append(module)
      } else {
        places[key] = groups.count
        groups.append((key, [module]))
      }
    }
    return groups.enumerated().sorted { a, b in
      (b.element.modules.count, a.offset) < (a.element.modules.count, b.offset)
    }.map(\.element)
  }

  /// Whether packed zero points stand beside layers of other groups, which transformers does not load.
  var mixesPackedZeroPoints: Bool {
    let groups = groups
    return groups.count > 1
      && groups.contains { $0.key.format == .packed && !$0.key.weights.isSymmetric }
  }

  /// The layers in float.
  var plain: [Module] { modules.filter { $0.layout == nil } }

  /// Names of layers as targets: where every layer of a kind is meant, one expression for all.
  func targets(_ group: [Module]) -> [String] {
    let all = Dictionary(grouping: modules, by: { Self.kind($0.name) })
    let mine = Dictionary(grouping: group, by: { Self.kind($0.name) })
    var targets: [String] = []
    var done: Set<String> = []
    for module in group {
      let kind = Self.kind(module.name)
      guard let kind, mine[kind]!.count == all[kind]!.count, mine[kind]!.count > 1 else {
        targets.append(module.name)
        continue
      }
      if done.insert(kind).inserted { targets.append("re:" + Self.expression(kind)) }
    }
    return targets
  }

  /// A name with the number of its block replaced by `#`; nil for one outside the blocks.
  private static func kind(_ name: String) -> String? {
    var parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard let place = parts.firstIndex(where: { Int($0) != nil }) else { return nil }
    parts[place] = "#"
    return parts.joined(separator: ".")
  }

  private static func expression(_ kind: String) -> String {
    kind.replacing(".", with: "\\.").replacing("#", with: "\\d+") + "$"
  }
}
