public import GyroTensors

/// Gradients by path. They live apart from the parameters, so nothing has to be zeroed and nothing
/// leaks from one step to the next.
public struct Gradients: Sendable {
  private var values: [ParameterPath: Tensor] = [:]

  public init() {}

  /// The gradient at a path; nil when the loss does not depend on that parameter.
  public subscript(path: ParameterPath) -> Tensor? {
    get { values[path] }
    set { values[path] = newValue }
  }

  /// The paths that have a gradient, sorted.
  public var paths: [ParameterPath] { values.keys.sorted() }

  /// Adds `gradient` to what is there.
  public mutating func accumulate(_ gradient: Tensor, at path: ParameterPath) {
    guard var sum = values.removeValue(forKey: path) else {
      values[path] = gradient
      return
    }
    sum.add(gradient)
    values[path] = sum
  }

  /// Changes one gradient in place.
  public mutating func update(_ path: ParameterPath, _ body: (inout Tensor) -> Void) {
    guard var value = values.removeValue(forKey: path) else { return }
    body(&value)
    values[path] = value
  }
}
