/// Why a range cannot be found.
public enum RangeError: Error, Hashable, Sendable, CustomStringConvertible {
  case unknownMethod(String)
  case percentile(Double)
  case momentum(Float)
  case alpha(Float)
  /// Nothing has been observed.
  case empty(site: String)
  /// A value that is NaN or infinite.
  case notFinite(site: String)
  /// Negative values under a format that has none.
  case unsigned(site: String, format: String, lowest: Float)
  /// A method whose model of rounding does not fit the format.
  case unsuitable(RangeMethod, format: String)
  /// A method that needs something else than the values.
  case needs(RangeMethod, String)
  /// Logits without an axis of classes, or with another number of them than before.
  case classes(site: String, expected: Int, got: Int)
  /// State that does not fit what was written.
  case archive(key: String, String)

  public var description: String {
    switch self {
    case .unknownMethod(let text):
      "there is no range method '\(text)'; known are " + RangeMethod.forms.joined(separator: ", ")
    case .percentile(let percent):
      "percentile \(percent) is not above 0 and at most 100; "
        + "try 99.9, 99.99, 99.999 or 99.9999"
    case .momentum(let momentum):
      "momentum \(momentum) of a moving average is outside 0 ..< 1; try 0.9"
    case .alpha(let alpha):
      "\(alpha) standard deviations are no range for a batch norm; try 6"
    case .empty(let site):
      "\(site): no values were observed, so there is no range; calibrate on at least one batch, "
        + "or use a dynamic range"
    case .notFinite(let site):
      "\(site): an observed batch holds a NaN or an infinity; look for the layer it comes from, "
        + "or for a learning rate that is too high"
    case .unsigned(let site, let format, let lowest):
      "\(site): values reach down to \(lowest), and \(format) has none below 0; "
        + "use a signed format or 'symmetric: false'"
    case .unsuitable(let method, let format):
      "'\(method)' assumes evenly spaced values, which \(format) has not; try 'mse'"
    case .needs(let method, let what):
      "'\(method)' needs \(what)"
    case .classes(let site, let expected, let got):
      "\(site): logits of \(expected) classes were expected, \(got) came"
    case .archive(let key, let problem):
      "the saved state '\(key)' of a range observer \(problem); "
        + "it was written by another version or for another site: calibrate again"
    }
  }
}
