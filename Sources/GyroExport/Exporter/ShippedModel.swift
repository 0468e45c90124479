public import Foundation
public import GyroCheckpoints
public import GyroModels
public import GyroQuantization

/// A model as it ships: every quantized weight on its grid, with the scheme that put it there.
///
/// This is what exporters take and what their readers give back, so that a file can be compared with
/// what was trained code by code.
public struct ShippedModel: Sendable {
  /// The two kinds of models there are.
  public enum Network: Sendable {
    case language(LanguageModel)
    case image(ImageModel)
  }

  public private(set) var network: Network
  /// The scheme resolved against the model; nil for a float model.
  public let plan: QuantizationPlan?

  /// A language model; weights that are not yet on their grids are put there.
  /// - Throws: `QuantizationError` when the scheme does not fit the model, or a weight holds a NaN.
  public init(_ model: LanguageModel) throws(QuantizationError) {
    var model = model
    (plan, model.parameters) = try Self.frozen(model.parameters, model.scheme)
    network = .language(model)
  }

  /// An image classifier; weights that are not yet on their grids are put there.
  /// - Throws: `QuantizationError` when the scheme does not fit the model, or a weight holds a NaN.
  public init(_ model: ImageModel) throws(QuantizationError) {
    var model = model
    (plan, model.parameters) = try Self.frozen(model.parameters, model.scheme)
    network = .image(model)
  }

  /// A folder that this project wrote, or a float checkpoint in Hugging Face layout.
  /// - Throws: What reading the folder throws.
  public init(contentsOf directory: URL) throws {
    if ImageModel.isImageModel(directory) {
      try self.init(ImageModel(contentsOf: directory))
    } else {
      try self.init(LanguageModel(contentsOf: directory))
    }
  }

  /// A checkpoint or an export in any layout that can be read.
  /// - Throws: ``ExportError/unrecognized(path:known:)`` and what reading throws.
  public init(at source: URL) throws {
    self = try ReadBack(source).model
  }

  private static func frozen(
    _ parameters: ParameterStore, _ scheme: QuantizationScheme?
  ) throws(QuantizationError) -> (QuantizationPlan?, ParameterStore) {
    guard let scheme else { return (nil, parameters) }
    let plan = try QuantizationPlan(scheme, for: parameters)
    return (plan, try plan.frozen(parameters))
  }

  /// Weights, tables, gains, offsets and what quantizers of activations keep.
  public var parameters: ParameterStore {
    switch network {
    case .language(let model): model.parameters
    case .image(let model): model.parameters
    }
  }

  /// Weights, tables, gains and offsets in the model's order: all but what quantizers of activations
  /// keep.
  var tensorPaths: [ParameterPath] {
    let states = Set(plan?.siteStatePaths ?? [])
    return parameters.paths.filter { !states.contains($0) }
  }

  public var scheme: QuantizationScheme? { plan?.scheme }

  /// The language model, when this is one.
  public var language: LanguageModel? {
    if case .language(let model) = network { model } else { nil }
  }

  /// The image classifier, when this is one.
  public var image: ImageModel? {
    if case .image(let model) = network { model } else { nil }
  }

  /// The codes and scales of a weight or table; nil for one that is float.
  public func codes(at path: ParameterPath) -> QuantizedTensor? {
    guard let quantizer = plan?.quantizer(at: path) else {
      return parameters[path].encoded as? QuantizedTensor
    }
    return quantizer.codes(of: parameters[path])
  }

  /// Everything a file would have to say about this model beside its float tensors.
  public var demands: [ExportDemand] { ExportDemand.all(of: parameters, under: plan) }
}
