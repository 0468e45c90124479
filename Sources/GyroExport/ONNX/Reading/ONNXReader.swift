import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors

/// Puts the model of a file together again: its structure from the configuration, codes and scales
/// from the initializers.
struct ONNXReader {
  let file: ONNXFile

  init(_ file: ONNXFile) { self.file = file }

  /// - Throws: ``ExportError``, `ConfigurationError`, `QuantizationError`.
  func model() throws -> ShippedModel {
    if let image = try? ImageModelConfiguration(json: file.config) {
      try ONNXBudget.check(image, file)
      var model = try ImageModel(image, seed: 0)
      try fill(&model.parameters) { _ in false }
      model.scheme = file.scheme
      return try ShippedModel(model)
    }
    let configuration = try LlamaConfiguration(json: file.config)
    try ONNXBudget.check(configuration, file)
    let build = ModelBuilder.unfilled()
    let model = Llama(configuration, build)
    var parameters = build.store
    try fill(&parameters) { $0.kind == .linear }
    return try ShippedModel(
      LanguageModel(
        model: model, parameters: parameters, scheme: file.scheme,
        warnings: configuration.warnings))
  }

  // MARK: Parameters

  /// Gives every declared path its tensor, and declares what quantizers of activations keep.
  private func fill(
    _ parameters: inout ParameterStore, isTransposed: (Parameter) -> Bool
  ) throws {
    let plan = try file.scheme.map { try QuantizationPlan($0, for: parameters) }
    for path in parameters.paths {
      guard let parameter = parameters.parameter(at: path) else { continue }
      if file.contains(ONNXWeightNames(path.name).codes) {
        parameters[path] = try coded(
          parameter, plan?.quantizer(at: path), isTransposed: isTransposed(parameter))
      } else {
        parameters[path] = try floats(parameter, isTransposed: isTransposed(parameter))
      }
    }
    for path in plan?.siteStatePaths ?? [] {
      let count = path.name.hasSuffix("_range") ? 2 : 1
      let values = (file.states[path.name] ?? []).map { Float(bitPattern: $0) }
      guard values.count == count, values.allSatisfy(\.isFinite) else {
        throw file.malformed(
          "the value of gyro.states", "\(count) finite numbers at '\(path.name)'",
          "\(values.count), or others among them")
      }
      parameters.declare(path, Tensor([count], elements: values), kind: .buffer)
    }
  }

  private func floats(
    _ parameter: Parameter, isTransposed: Bool
  ) throws(ExportError) -> Tensor {
    let name = parameter.path.name
    let stated = try file.tensor(name).dataType
    guard
      let (type, dataType) = ONNXFloats.types.first(where: { Int32($0.value.rawValue) == stated })
    else { throw file.malformed(name, "numbers of 32 or 16 bits", "type \(stated)") }
    let shape = parameter.shape
    let stored: Shape = isTransposed ? [shape[1], shape[0]] : shape
    let bytes = try file.bytes(
      name, dataType, stored.dimensions, count: shape.count * type.byteCount)
    let tensor = ONNXFloats.tensor(bytes, type, stored)
    return isTransposed ? tensor.transposed().contiguous() : tensor
  }

  // MARK: Codes

  private func coded(
    _ parameter: Parameter, _ planned: Quantizer?, isTransposed: Bool
  ) throws -> Tensor {
    let name = parameter.path.name
    let names = ONNXWeightNames(name)
    guard let grid = file.weights[name] ?? planned.map({ ONNXMetadata.Grid($0) }) else {
      throw file.malformed(name, "a scheme or a grid for its codes", "none")
    }
    let format = try format(grid, planned, names)
    let own = try Quantizer(
      format, grid.granularity, scaleFormat: grid.scale, isSymmetric: grid.isSymmetric)
    _ = try own.layout(of: parameter.shape, named: parameter.path)
    let codes = ONNXCodes(format, isSymmetric: grid.isSymmetric)
    let layout = ONNXWeightLayout(
      shape: parameter.shape, granularity: grid.granularity,
      isTransposed: isTransposed && codes.decoding != .level)
    let scales = try scales(grid, own, codes, layout, names)
    let buffer = try self.codes(format, grid, codes, layout, names)
    return (planned ?? own).tensor(
      of: QuantizedTensor(
        shape: parameter.shape, format: format, granularity: grid.granularity,
        scaleFormat: grid.scale, codes: buffer, scales: scales))
  }

  /// The format of a name; a code book's levels are those of the file.
  private func format(
    _ grid: ONNXMetadata.Grid, _ planned: Quantizer?, _ names: ONNXWeightNames
  ) throws(ExportError) -> any NumberFormat {
    let known =
      planned?.format.name == grid.format ? planned?.format : FormatNames.format(grid.format)
    guard file.contains(names.levels), !(known is Minifloat) else {
      guard let known else {
        throw file.malformed(names.codes, "a known number format", "'\(grid.format.prefix(40))'")
      }
      return known
    }
    let count = try file.tensor(names.levels).dims.first ?? 0
    guard (2...256).contains(count) else {
      throw file.malformed(names.levels, "2 to 256 levels", "\(count)")
    }
    let levels = try file.numbers(names.levels, [Int(count)])
    guard levels.allSatisfy(\.isFinite), zip(levels, levels.dropFirst()).allSatisfy({ $0 < $1 })
    else { throw file.malformed(names.levels, "levels in rising order", "others") }
    return Codebook(name: grid.format, levels: levels)
  }

  private func scales(
    _ grid: ONNXMetadata.Grid, _ quantizer: Quantizer, _ codes: ONNXCodes,
    _ layout: ONNXWeightLayout, _ names: ONNXWeightNames
  ) throws(ExportError) -> GroupScales {
    let extents = codes.decoding == .level ? [layout.scaleCount, 1] : layout.scaleExtents
    let stored = try file.numbers(names.scale, extents)
    guard let parts = layout.loaded(groups: stored), parts.allSatisfy({ $0 > 0 && $0.isFinite })
    else { throw file.malformed(names.scale, "positive scales, one for each group", "others") }
    let whole = file.contains(names.globalScale) ? try file.numbers(names.globalScale, [])[0] : 1
    guard whole > 0, whole.isFinite else {
      throw file.malformed(names.globalScale, "a positive scale", "\(whole)")
    }
    // A part times the whole is rounded once, as a quantizer does it.
    let scales = whole == 1 ? parts : parts.map { $0 * whole }
    guard scales.allSatisfy({ $0 > 0 && $0.isFinite }) else {
      throw file.malformed(names.scale, "positive scales", "others")
    }
    var result = GroupScales(
      scales: Tensor([scales.count], elements: scales),
      tensorScale: grid.scale == .e4m3 ? whole : 1)
    guard !grid.isSymmetric else { return result }
    let count = layout.scaleCount
    let bytes = try file.bytes(
      names.zeroPoint, codes.type, layout.scaleExtents, count: codes.byteCount(count))
    let points = layout.loaded(groups: codes.unpacked(bytes, count: count).map(Float.init))
    guard let points, points.allSatisfy({ $0 <= quantizer.span }) else {
      throw file.malformed(names.zeroPoint, "numbers up to \(quantizer.span)", "others")
    }
    result.zeroPoints = Tensor([points.count], elements: points)
    return result
  }

  private func codes(
    _ format: any NumberFormat, _ grid: ONNXMetadata.Grid, _ codes: ONNXCodes,
    _ layout: ONNXWeightLayout, _ names: ONNXWeightNames
  ) throws(ExportError) -> PooledBuffer {
    let count = layout.shape.count
    let rows = max(layout.scaleCount, 1)
    let extents = codes.decoding == .level ? [layout.scaleCount, count / rows] : layout.extents
    let bytes = try file.bytes(
      names.codes, codes.type, extents, count: codes.byteCount(count))
    let numbers = layout.loaded(codes.unpacked(bytes, count: count))
    let table = codes.codes(format, isSymmetric: grid.isSymmetric)
    let buffer = PooledBuffer(byteCount: count)
    let target = buffer.pointer.assumingMemoryBound(to: UInt8.self)
    for (place, number) in numbers.enumerated() {
      guard let code = table[Int(number)] else {
        throw file.malformed(names.codes, "codes of \(format.name)", "\(number) at \(place)")
      }
      target[place] = code
    }
    return buffer
  }
}
