public import GyroModels
public import GyroQuantization

/// Why a model cannot be quantized after training.
public enum PostTrainingError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The plan leaves every weight that could be rounded as it is.
  case nothingToQuantize
  /// A site of the model that no calibration sample reached.
  case unreached(ParameterPath)
  /// Fewer calibration tokens than the widest layer has inputs.
  case tooLittleText(tokens: Int, needed: Int)
  /// Inputs of a layer with a NaN or an infinity; column of the first.
  case inputsNotFinite(ParameterPath, column: Int)
  /// A Hessian that has no Cholesky factor, with the damping that was tried last.
  case notPositiveDefinite(ParameterPath, damping: Double)
  /// A weight, or a way to quantize it, that this method cannot handle.
  case unsupported(ParameterPath, problem: String, advice: String)
  /// A value that is not finite, where a quantizer met it.
  case fault(ParameterPath, what: String)
  case range(RangeError)
  case quantization(QuantizationError)

  public var description: String {
    switch self {
    case .nothingToQuantize:
      return "the scheme leaves all weights of linear layers and convolutions float; "
        + "give it a rule for weights"
    case .unreached(let site):
      return "no calibration sample reached \(site); calibrate on at least one batch that runs "
        + "through the whole model"
    case .tooLittleText(let tokens, let needed):
      return "\(tokens) tokens of calibration text do not determine the Hessian of a layer with "
        + "\(needed) inputs; use at least \(needed) tokens, better 32 times as many"
    case .inputsNotFinite(let site, let column):
      return "\(site): the calibration inputs hold a NaN or an infinity in column \(column); look "
        + "for the layer it comes from"
    case .notPositiveDefinite(let path, let damping):
      return "\(path): the Hessian is not positive definite, even with \(damping) of its mean "
        + "diagonal added; use more calibration samples, or a larger damping"
    case .unsupported(let path, let problem, let advice):
      return "\(path): \(problem); \(advice)"
    case .fault(let path, let what):
      return "\(what) at \(path), while calibrating"
    case .range(let error): return error.description
    case .quantization(let error): return error.description
    }
  }

  init(_ fault: NumericFault) { self = .fault(fault.path, what: fault.what) }
}
