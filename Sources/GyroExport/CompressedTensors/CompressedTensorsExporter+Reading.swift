public import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors

extension CompressedTensorsExporter {
  public func read(from source: URL) throws -> ShippedModel {
    try CompressedFolder(source).model()
  }
}

/// A folder in this layout, ours or another program's.
struct CompressedFolder {
  let url: URL
  let config: FolderConfiguration
  let quantization: CompressedConfiguration
  let files: SafetensorsDirectory
  let shape: LlamaConfiguration
  /// Tensors' own scales that a reciprocal could not hold, by layer.
  private let levels: [String: Float]

  private var configName: String { url.appendingPathComponent("config.json").relativePath }

  init(_ url: URL) throws {
    self.url = url
    let name = url.appendingPathComponent("config.json").relativePath
    guard let config = FolderConfiguration(url) else {
      throw ExportError.malformed(
        file: name, place: "file", expected: "a JSON object", found: "none that can be read")
    }
    self.config = config
    quantization = try CompressedConfiguration(
      config.object["quantization_config"], file: name)
    shape = try LlamaConfiguration(json: config.data)
    files = try SafetensorsDirectory(contentsOf: url)
    levels = Self.levels(files)
    try shape.check(heldBy: files.byteCount)
  }

  private static func levels(_ files: SafetensorsDirectory) -> [String: Float] {
    guard let text = files.shards.first?.metadata[CompressedDraft.levelsKey],
      let object = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: String]
    else { return [:] }
    return object.compactMapValues { UInt32($0, radix: 16).map(Float.init(bitPattern:)) }
  }

  func model() throws -> ShippedModel {
    let build = ModelBuilder.unfilled()
    let llama = Llama(shape, build)
    var parameters = build.store
    var warnings = shape.warnings
    let own = try SchemeRecord.scheme(in: config.data)
    let derived = own == nil ? try DerivedScheme(self, parameters) : nil
    warnings += derived?.warnings ?? []
    let scheme = own ?? derived?.scheme
    let plan = try scheme.map { try QuantizationPlan($0, for: parameters) }
    let record = own == nil ? nil : try QuantizerRecord(in: url)
    let unused = try fill(&parameters, plan, record)
    if let plan, own != nil {
      try declareStates(&parameters, plan, record)
      try checkRanges(parameters, plan)
    }
    return try ShippedModel(
      LanguageModel(
        model: llama, parameters: parameters,
        tokenizer: try LanguageModel.tokenizer(of: url, shape),
        scheme: scheme, warnings: warnings + LanguageModel.warnings(unused: unused)))
  }

  /// Whether a layer's weight lies there as codes.
  func hasCodes(_ module: String) -> Bool {
    if files.contains(module + ".weight_packed") { return true }
    guard files.contains(module + ".weight_scale"),
      let entry = try? files.entry(module + ".weight")
    else { return false }
    return entry.type == .int8 || entry.type == .float8E4M3
  }

  /// A layer's codes; nil for one in float.
  func weight(_ module: String, _ shape: Shape) throws -> CompressedWeightReader? {
    guard hasCodes(module) else { return nil }
    guard let arguments = quantization.group(of: module)?.weights else {
      throw ExportError.malformed(
        file: configName, place: "quantization_config.config_groups",
        expected: "a group for '\(module)', which has codes", found: "none")
    }
    return CompressedWeightReader(
      name: module, shape: shape, arguments: arguments, files: files,
      tensorScale: levels[module])
  }

  /// Gives every declared path its tensor.
  /// - Returns: the names that nothing asked for.
  private func fill(
    _ parameters: inout ParameterStore, _ plan: QuantizationPlan?, _ record: QuantizerRecord?
  ) throws -> [String] {
    var used: Set<String> = []
    for path in parameters.paths {
      let expected = parameters[path].shape
      let module = CompressedModules.module(path)
      let isLayer = parameters.parameter(at: path)?.kind == .linear
      if isLayer, let reader = try weight(module, expected) {
        if let quantizer = plan?.quantizer(at: path) {
          parameters[path] = quantizer.tensor(of: try reader.codes(quantizer))
        } else {
          parameters[path] = Tensor(expected, decoding: try reader.codes())
        }
        used.formUnion(CompressedWeightReader.suffixes.map { module + $0 })
        continue
      }
      let entry = try files.entry(path.name)
      guard entry.shape == expected else {
        throw CheckpointError.wrongShape(
          file: try files.file(holding: path.name).url.path, tensor: path.name,
          expected: "\(expected)", found: "\(entry.shape)")
      }
      guard entry.type.isFloatingPoint else {
        throw ExportError.malformed(
          file: url.relativePath, place: "tensor '\(path)'",
          expected: "numbers, or codes with scales",
          found: entry.type.rawValue)
      }
      parameters[path] = try files.tensor(path.name)
      if let record, let quantizer = plan?.quantizer(at: path), record.contains(path) {
        parameters[path] = try record.onGrid(parameters[path], of: path, quantizer)
      }
      used.insert(path.name)
    }
    return files.names.filter { !used.contains($0) && !isUnderstood($0) }
  }

  /// Names beside those of layers that the configuration explains, and those that follow from it.
  private func isUnderstood(_ name: String) -> Bool {
    let known = [
      ".k_scale", ".v_scale", ".k_zero_point", ".v_zero_point", "_input.weight", "_q_attn.weight",
      "_k_cache.weight", "rotary_emb.inv_freq",
    ]
    return known.contains { name.hasSuffix($0) }
  }

  // MARK: Ranges of activations

  private func declareStates(
    _ parameters: inout ParameterStore, _ plan: QuantizationPlan, _ record: QuantizerRecord?
  ) throws {
    guard !plan.siteStatePaths.isEmpty else { return }
    guard let record else {
      throw CheckpointError.unreadableFile(
        file: url.appendingPathComponent(QuantizerRecord.fileName).path,
        reason: "it holds the ranges of activations, and is not there")
    }
    let states = try record.states(plan)
    for path in plan.siteStatePaths {
      if let state = states[path] { parameters.declare(path, state, kind: .buffer) }
    }
  }

  /// What runtimes read must be what the record holds.
  private func checkRanges(_ parameters: ParameterStore, _ plan: QuantizationPlan) throws {
    let modules = try CompressedModules(plan, parameters, storage: nil)
    var ranges = modules.modules.compactMap { module in
      module.site.map { ($0.path, module.name + ".input", module.inputs) }
    }
    let cache = CompressedCache(plan, parameters)
    for site in parameters.sites where site.kind == .keys || site.kind == .values {
      ranges.append((site.path, CompressedCache.prefix(site), cache.arguments))
    }
    for (site, prefix, arguments) in ranges {
      guard let arguments, let found = try StaticRange(prefix, files),
        let scales = plan.staticScales(at: site, in: parameters)
      else { continue }
      let expected = StaticRange(scales, arguments)
      guard found == expected else {
        throw ExportError.malformed(
          file: url.relativePath, place: "tensor '\(prefix)_scale'",
          expected: "\(expected.scale), as in \(QuantizerRecord.fileName)", found: "\(found.scale)")
      }
    }
  }
}
