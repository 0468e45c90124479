public import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors

extension CompressedTensorsExporter {
  public func write(
    _ model: ShippedModel, to destination: URL, _ options: ExportOptions
  ) throws -> ExportReport {
    try refuseStorage(options)
    var folder = try ModelFolderWriter(model, layout: name, options, metadata: "pt")
    let draft = try CompressedDraft(model, options)
    try draft.add(to: &folder)
    try folder.report.check(options)
    if let configuration = draft.configuration?.json {
      folder.configuration["quantization_config"] = configuration
    }
    folder.report.notes = draft.notes
    return try folder.write(to: destination, as: draft.floatType)
  }
}

/// Everything that is decided before the first byte is written.
struct CompressedDraft {
  let model: ShippedModel
  let language: LanguageModel
  let options: ExportOptions
  let modules: CompressedModules
  let cache: CompressedCache
  let transforms: CompressedTransforms
  /// nil for a model without anything to describe.
  let configuration: CompressedConfiguration?
  /// The type of plain numbers, and that of packed words' scales.
  private(set) var floatType = ScalarType.float32
  private(set) var scaleType = ScalarType.float32

  /// - Throws: ``ExportError``.
  init(_ model: ShippedModel, _ options: ExportOptions) throws {
    guard let language = model.language else {
      throw ExportError.impossible(
        format: CompressedTensorsExporter.name, path: "config.json", what: "an image classifier",
        because: "the layout is for language models", instead: "Export to 'onnx'.")
    }
    self.model = model
    self.language = language
    self.options = options
    let parameters = model.parameters
    let draft = try CompressedModules(model.plan, parameters, storage: options.storage)
    modules =
      options.storage == nil && draft.mixesPackedZeroPoints
      ? try CompressedModules(model.plan, parameters, storage: nil, packsZeroPoints: false) : draft
    cache = CompressedCache(model.plan, parameters)
    transforms = CompressedTransforms(
      model.plan, sites: parameters.sites, quantizesKeys: cache.arguments != nil)
    // A tied head has no weight of its own, yet readers see a linear layer there.
    let hasHead = parameters.contains("lm_head.weight")
    let ignored = modules.plain.map(\.name) + (hasHead ? [] : ["lm_head"])
    let isPlain = modules.groups.isEmpty && cache.arguments == nil && transforms.groups.isEmpty
    configuration =
      isPlain
      ? nil
      : try CompressedConfiguration(
        modules, ignoring: ignored, cache: cache.arguments, transforms: transforms.json)
    chooseTypes()
  }

  /// The weights that lie in the file as codes.
  private var coded: Set<ParameterPath> {
    Set(modules.modules.filter { $0.layout != nil }.map(\.weight))
  }

  /// Scales count: transformers rounds them to the type of the model.
  private mutating func chooseTypes() {
    let parameters = model.parameters
    func scales(_ isIncluded: (CompressedFormat) -> Bool) -> [Tensor] {
      modules.modules.compactMap { module in
        guard let layout = module.layout, isIncluded(layout.format) else { return nil }
        return parameters[module.weight].quantizerGrid.map { grid in
          let elements = grid.scales.scales.elements.map(layout.carrier.stored)
          return Tensor([elements.count], elements: elements)
        }
      }
    }
    let coded = coded
    let plain = model.tensorPaths.filter { !coded.contains($0) }
    let numbers = scales { [.packed, .integers, .floats].contains($0) } + inputScales
    floatType =
      options.floatType ?? .narrowest(holding: plain.map { parameters[$0] } + numbers)
    let packed = scales { $0 == .packed }
    scaleType = packed.allSatisfy(floatType.holds) ? floatType : .float32
  }

  private var inputScales: [Tensor] {
    model.parameters.sites.compactMap { site in
      model.plan?.staticScales(at: site.path, in: model.parameters)?.scales
    }
  }

  // MARK: Tensors

  /// Adds all tensors and says what they are.
  func add(to folder: inout ModelFolderWriter) throws {
    let layers = Dictionary(
      modules.modules.map { ($0.weight, $0) }, uniquingKeysWith: { first, _ in first })
    var levels: [String: String] = [:]
    for path in model.tensorPaths {
      let value = folder.tensor(path)
      guard let module = layers[path], module.layout != nil else {
        folder.add(path, as: floatType)
        continue
      }
      let weight = try CompressedWeight(
        module, value, scheme: model.plan?.quantizer(at: path), scaleType: scaleType)
      var count = weight.add(to: &folder.weights)
      count += try addInput(module, to: &folder.weights)
      folder.report.add(path, weight.storage, byteCount: count, trained: value)
      let level = weight.scales.tensorScale
      if weight.layout.format == .nvfp4, 1 / CompressedWeight.divisor(level) != level {
        levels[module.name] = String(level.bitPattern, radix: 16)
      }
    }
    if !levels.isEmpty {
      let data = try JSONSerialization.data(withJSONObject: levels, options: .sortedKeys)
      folder.weights.metadata[Self.levelsKey] = String(decoding: data, as: UTF8.self)
    }
    try cache.add(model, to: &folder.weights)
    for group in transforms.groups {
      guard let matrix = group.matrix else { continue }
      for name in group.tensors { folder.weights.add(name, matrix) }
    }
  }

  /// Where tensors' own scales lie whose reciprocal loses their last bit: as bits, by layer.
  static let levelsKey = "gyro_tensor_scales"

  /// The static range of a layer's input.
  /// - Returns: how many bytes it takes.
  private func addInput(
    _ module: CompressedModules.Module, to writer: inout SafetensorsWriter
  ) throws -> Int {
    guard let inputs = module.inputs, inputs.range == .fixed, let site = module.site else {
      return 0
    }
    guard let scales = model.plan?.staticScales(at: site.path, in: model.parameters) else {
      throw QuantizationError.uncalibrated(site.path)
    }
    let before = writer.byteCount
    let range = StaticRange(scales, inputs)
    range.add(module.name + ".input", to: &writer)
    return writer.byteCount - before
  }
}

/// One scale from a file, and its zero point.
struct StaticRange: Equatable {
  let scale: Float
  /// Signed, as files have it; nil for a symmetric range.
  let zeroPoint: Float?

  init(_ scales: GroupScales, _ arguments: CompressedArguments) {
    scale = scales.scales.elements[0]
    guard !arguments.isSymmetric else {
      zeroPoint = nil
      return
    }
    // Without a zero point of its own the lowest code is zero: values are never negative.
    let half = Float(1 << (arguments.bits - 1))
    zeroPoint = (scales.zeroPoints?.elements[0] ?? 0) - half
  }

  func add(_ prefix: String, to writer: inout SafetensorsWriter) {
    writer.add(prefix + "_scale", Tensor([1], elements: [scale]))
    if let zeroPoint {
      writer.add(prefix + "_zero_point", Tensor([1], elements: [zeroPoint]), as: .int8)
    }
  }

  /// What a file has; nil when it has none.
  init?(_ prefix: String, _ files: SafetensorsDirectory) throws(CheckpointError) {
    guard files.contains(prefix + "_scale") else { return nil }
    let scale = try files.tensor(prefix + "_scale")
    let zero =
      files.contains(prefix + "_zero_point") ? try files.tensor(prefix + "_zero_point") : nil
    guard scale.count == 1, zero?.count ?? 1 == 1 else { return nil }
    self.scale = scale.item
    zeroPoint = zero?.item
  }
}
