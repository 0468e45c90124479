public import Foundation
import GyroCheckpoints
import GyroManifolds
import GyroModels
import GyroQuantization

/// The layout of the library compressed-tensors, which transformers and vLLM read: a Hugging Face
/// folder whose quantized layers hold codes and scales, described by `quantization_config`.
///
/// Formats: `pack-quantized` (whole numbers of 1 to 8 bits in 32-bit words), `int-quantized` (in
/// bytes), `float-quantized` (FP8), `nvfp4-pack-quantized`, `mxfp4-pack-quantized`,
/// `mxfp6-pack-quantized`, `mxfp8-quantized`, several of them in one model. Activations, the cache of
/// keys and values and online Hadamard transforms are described where the library has words for them.
///
/// Scales are Float32, which holds what was trained; those of packed words take the type of the
/// model's plain numbers where that holds them too, as kernels of vLLM expect.
public struct CompressedTensorsExporter: CheckpointExporter {
  public init() {}

  static let name = "compressed-tensors"

  public var name: String { Self.name }
  public let summary = "codes and scales in safetensors, described by quantization_config"
  public let runtimes = "vLLM, transformers, llama.cpp's converter"
  public let storages = [CompressedFormat.packed.rawValue, CompressedFormat.integers.rawValue]
  public let writesFolder = true

  public func recognizes(_ source: URL) -> Bool {
    guard let config = FolderConfiguration(source),
      let quantization = config.object["quantization_config"] as? [String: Any]
    else { return false }
    return quantization["quant_method"] as? String == CompressedConfiguration.method
  }

  public func fidelity(of demand: ExportDemand, _ options: ExportOptions) -> Fidelity {
    switch demand {
    case .weight(_, nil): .numbers(as: options.floatType)
    case .weight(let parameter, let rule?): Self.weight(parameter, rule, options)
    case .activation(let site, let rule): CompressedActivations(rule, at: site).fidelity
    case .transform(let site, let transform): CompressedTransforms.fidelity(site, transform)
    }
  }

  private static func weight(
    _ parameter: Parameter, _ rule: QuantizationRule, _ options: ExportOptions
  ) -> Fidelity {
    guard parameter.kind == .linear else {
      return parameter.kind == .embedding
        ? .numbers(as: options.floatType)
        : .impossible("the layout is for linear layers of language models")
    }
    if rule.learnsLevels {
      return .impossible("'\(rule.estimator)' learns levels of its own for every weight")
    }
    guard let format = FormatNames.format(rule.element),
      let quantizer = try? Quantizer(
        format, rule.granularity, scaleFormat: rule.scale, isSymmetric: rule.isSymmetric)
    else { return .impossible("there is no such quantizer") }
    do throws(CompressedLayout.Refusal) {
      let layout = try CompressedLayout(quantizer, inputs: nil, storage: options.storage)
      guard layout.format == .nvfp4 else { return .exact }
      return .within(
        0x1p-22,
        because:
          "codes and both scales are the trained ones; runtimes take the tensor's scale as a "
          + "divisor, and divide before they multiply")
    } catch {
      return .impossible(error.text)
    }
  }
}
