public import GyroModels

/// What is wrong with a scheme or a quantizer, alone or against a model.
public enum QuantizationError: Error, Sendable, Equatable, CustomStringConvertible {
  case unknownFormat(String, for: String)
  case granularity(Granularity, for: String, allowed: [String])
  /// A group size that does not divide the axis it cuts.
  case indivisible(ParameterPath, group: Int, size: Int)
  /// An asymmetric quantizer of a format that is not made of whole numbers.
  case asymmetric(format: String)
  /// A block format whose own scaling a rule changes.
  case blockFormat(String, for: String, granularity: Granularity, scale: ScaleFormat)
  /// Two exceptions that both cover a tensor.
  case conflict(ParameterPath, PathPattern, PathPattern)
  /// An estimator that does not exist.
  case unknownEstimator(String, for: String, known: [String])
  /// A quantizer that an estimator cannot train, or an option it does not have.
  case estimator(String, problem: String, advice: String)
  /// A weight whose width cannot change while it trains.
  case annealing(ParameterPath, format: String)
  /// A range that cannot follow the data.
  case dynamic(String, what: String)
  /// A symmetric format without negative values for tensors that have some.
  case unsigned(String, format: String)
  /// A static range at a site that calibration never reached.
  case uncalibrated(ParameterPath)
  case unmatched(PathPattern, in: String)
  /// A group that holds a NaN or an infinity.
  case notFinite(ParameterPath, row: Int)
  /// A scale beyond the type that scales are stored in.
  case scaleRange(ParameterPath, scale: Float, format: ScaleFormat)
  /// A checkpoint whose scheme was changed after it was made.
  case fingerprint(expected: String, got: String)
  /// A checkpoint or rotations of another scheme.
  case scheme(expected: QuantizationScheme, got: QuantizationScheme)
  /// A rotation that the model has no place for.
  case rotation(String, problem: String)

  public var description: String {
    switch self {
    case .unknownFormat(let format, let name):
      return "\(name): unknown number format '\(format)'; known are "
        + FormatNames.families.joined(separator: ", ")
    case .granularity(let granularity, let name, let allowed):
      return "\(name): granularity '\(granularity)' is not possible here; use "
        + allowed.joined(separator: ", ")
    case .indivisible(let path, let group, let size):
      let divisors = (1...max(size, 1)).filter { size.isMultiple(of: $0) }
      let nearest = divisors.min { abs($0 - group) < abs($1 - group) } ?? 1
      return "\(path): groups of \(group) do not divide its \(size) columns; "
        + "the nearest size that does is \(nearest)"
    case .asymmetric(let format):
      return "\(format) cannot be asymmetric: only whole numbers have a zero point; "
        + "use int2…int8, or leave out 'symmetric: false'"
    case .blockFormat(let format, let name, let granularity, let scale):
      return "\(name): \(format) is defined with one \(scale.rawValue) scale per \(granularity), "
        + "symmetric; leave those keys out, or name the element format instead"
    case .conflict(let path, let first, let second):
      return "\(path) is covered by two rules, '\(first)' and '\(second)'; "
        + "make one of the patterns narrower"
    case .unknownEstimator(let estimator, let name, let known):
      return "\(name): unknown estimator '\(estimator)'; known are "
        + known.joined(separator: ", ")
    case .estimator(let estimator, let problem, let advice):
      return "estimator '\(estimator)' \(problem); \(advice)"
    case .annealing(let path, let format):
      return "\(path) is \(format), and its width cannot change while it trains: "
        + "milestones with 'bits' need whole numbers with a dynamic range"
    case .dynamic(let name, let what):
      return "\(name): \(what), so it cannot be dynamic; leave out 'dynamic: true'"
    case .unsigned(let name, let format):
      return "\(name): values can be negative, and \(format) has none below 0; "
        + "use a signed format, or 'symmetric: false' for whole numbers"
    case .uncalibrated(let path):
      return "\(path) has a static range, but no calibration batch reached it; "
        + "calibrate before quantizing, or make the range dynamic"
    case .unmatched(let pattern, let place):
      return "\(place): the pattern '\(pattern)' matches no weight and no activation site; "
        + "a name matches whole path components, * matches any run of characters"
    case .notFinite(let path, let row):
      return "\(path) holds a value that is not finite in row \(row); it cannot be quantized"
    case .scaleRange(let path, let scale, let format):
      return "\(path) needs a scale of \(scale), and \(format.rawValue) scales end at "
        + "\(format.largest); use float32 scales, or scale the tensor down"
    case .rotation(let placement, let problem):
      return "rotation \(placement) is not possible: \(problem); "
        + "leave it out of the scheme's rotations"
    case .fingerprint(let expected, let got):
      return "the checkpoint was made under scheme \(got), the run uses \(expected); "
        + "train and export under one scheme"
    case .scheme(let expected, let got):
      return "the checkpoint was made under scheme \(got.fingerprint) (\(got.summary)), the run "
        + "uses \(expected.fingerprint) (\(expected.summary)); learn, train and export under one "
        + "scheme"
    }
  }
}
