public import GyroModels

/// A mistake in how rules are assigned to parameters, or a state that does not fit.
public enum OptimizerError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Parameters that no group covers.
  case uncovered([ParameterPath])
  /// A group whose parameters all belong to earlier groups.
  case shadowed(PathPattern, by: PathPattern)
  /// A rate factor that is negative or not finite.
  case rateFactor(PathPattern, Double)
  /// There is nothing to train.
  case empty
  /// A stored state that does not fit a parameter.
  case archive(ParameterPath, String)

  public var description: String {
    switch self {
    case .uncovered(let paths):
      let sample = paths.prefix(4).map(\.name).joined(separator: ", ")
      let subject = paths.count == 1 ? "the parameter" : "\(paths.count) parameters"
      return "no optimizer group covers \(subject) ("
        + "\(sample)); end the list with a group for '*'"
    case .shadowed(let pattern, let earlier):
      return "the optimizer group '\(pattern)' covers nothing: every parameter it matches already "
        + "belongs to '\(earlier)'; the first match wins, so put '\(pattern)' before it"
    case .rateFactor(let pattern, let factor):
      return "the rate factor of the optimizer group '\(pattern)' is \(factor); "
        + "it must be a number of at least 0"
    case .empty:
      return "no parameter is left to train; check the pattern of trainable parameters"
    case .archive(let path, let what):
      return "the optimizer state of \(path) cannot be restored: \(what)"
    }
  }
}
