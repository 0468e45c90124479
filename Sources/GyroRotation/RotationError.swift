public import GyroModels

/// Why rotations cannot be put into a model, or do not leave it as it was.
public enum RotationError: Error, Sendable, Equatable, CustomStringConvertible {
  /// A placement that the model's layout forbids.
  case illegal(placement: String, reason: String, advice: String)
  /// The output projection still shares the embedding's table.
  case tied(placement: String)
  /// A normalization whose gains are not all one.
  case gains(placement: String, path: ParameterPath, channel: Int, gain: Float)
  /// A matrix or an array of factors of the wrong size.
  case size(placement: String, expected: String, got: String)
  /// A matrix whose transpose is not its inverse.
  case notOrthogonal(placement: String, departure: Double, allowed: Double)
  /// A value that is not finite in a rotation or a weight.
  case notFinite(what: String, row: Int, column: Int)
  /// A scaling factor that is zero or negative.
  case factor(placement: String, layer: Int, index: Int, value: Double)
  /// A tensor the configuration asks for and the store lacks.
  case missing(ParameterPath)
  /// A tensor of another shape than the configuration asks for.
  case shape(ParameterPath, expected: String, got: String)
  /// A weight that follows from codes: its numbers cannot be turned and stay on their grid.
  case quantized(ParameterPath)
  /// Rotations that were made for another model.
  case fingerprint(expected: String, got: String)
  /// A file of rotations that lacks something, or holds something else.
  case file(key: String, problem: String)
  /// The first place where two models that should agree do not.
  case departed(
    site: ParameterPath, difference: Double, allowed: Double, logits: Double, transform: String)
  /// The first place where a model gave NaN or infinity.
  case diverged(site: ParameterPath, transform: String)
  /// Calibration text that is too short or holds unknown tokens.
  case calibration(problem: String, advice: String)

  public var description: String {
    switch self {
    case .illegal(let placement, let reason, let advice):
      return "\(placement) is not possible here: \(reason); \(advice)"
    case .tied(let placement):
      return "\(placement) needs an output projection of its own, but lm_head shares the table of "
        + "embed_tokens; untie the model first (RotationPreparation.prepared)"
    case .gains(let placement, let path, let channel, let gain):
      return "\(placement) needs normalizations whose gains are all 1, but channel \(channel) of "
        + "\(path) is \(gain); fold the gains first (RotationPreparation.prepared)"
    case .size(let placement, let expected, let got):
      return "\(placement) should be \(expected), got \(got); rotations fit only the model they "
        + "were made for"
    case .notOrthogonal(let placement, let departure, let allowed):
      return "\(placement) is not orthogonal: RᵀR departs from the identity by \(departure), "
        + "allowed is \(allowed); project it onto the orthogonal matrices (polar factor) first"
    case .notFinite(let what, let row, let column):
      return "\(what) is not finite in row \(row), column \(column); "
        + "try a lower learning rate, or the last good checkpoint"
    case .factor(let placement, let layer, let index, let value):
      return "\(placement) of layer \(layer) should be positive, got \(value) at \(index); "
        + "learn the logarithms of the factors"
    case .missing(let path):
      return "the parameters have no \(path), which the configuration asks for; "
        + "is this the store of the model?"
    case .shape(let path, let expected, let got):
      return "\(path) should be \(expected), got \(got); "
        + "is this the configuration of the model?"
    case .quantized(let path):
      return "\(path) is stored as codes, which a rotation would move off their grid; "
        + "rotate the float checkpoint, then quantize"
    case .fingerprint(let expected, let got):
      return "the rotations were made for the model \(got), this is the model \(expected); "
        + "learn rotations for this model, or load the checkpoint they belong to"
    case .file(let key, let problem):
      return "rotations file: '\(key)' \(problem); write it again with this version"
    case .departed(let site, let difference, let allowed, let logits, let transform):
      return "\(transform) changed the model: \(site) departs first, by \(difference) where "
        + "\(allowed) is allowed, and the logits by \(logits); nothing after it can be trusted, "
        + "so leave this transform out and report it"
    case .diverged(let site, let transform):
      return "\(transform): \(site) is the first value that is not finite; "
        + "look for overflow in the weights before it"
    case .calibration(let problem, let advice):
      return "calibration windows: \(problem); \(advice)"
    }
  }
}
