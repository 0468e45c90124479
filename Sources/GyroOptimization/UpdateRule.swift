public import GyroModels
public import GyroTensors

/// How one parameter moves along its gradient: a pure function of (point, gradient, state, rate).
///
/// A rule holds its constants and nothing else; what it remembers lies in `State`, which the
/// `Optimizer` keeps by path. To add a rule, write a struct with a `State` and `update`; the
/// parameter's handle is passed along, so a rule for orthogonal matrices can look at what it moves.
///
/// Laws that the test suite checks: the trajectory equals a plain double-precision loop to rounding,
/// `State(state.archive)` continues bit for bit, and no two rules walk the same way.
public protocol UpdateRule: Sendable, CustomStringConvertible {
  /// What the rule remembers of one parameter between steps.
  associatedtype State: UpdateState

  /// The state before the first step.
  func makeState(for parameter: Parameter) -> State

  /// Moves `point` one step, in place.
  /// - Parameters:
  ///   - gradient: the gradient, of the shape of `point`.
  ///   - gradientScale: a factor on the gradient (clipping, accumulation), applied on the fly.
  ///   - rate: the learning rate of this step.
  func update(
    _ point: inout Tensor, gradient: Tensor, gradientScale: Double, state: inout State,
    rate: Double, of parameter: Parameter)

  /// The same rule for parameters that must not shrink: gains, biases, quantizer scales.
  var withoutWeightDecay: Self { get }
}

extension UpdateRule {
  public var withoutWeightDecay: Self { self }
}

/// A rule's memory of one parameter, able to leave and come back as plain tensors and numbers.
public protocol UpdateState: Sendable {
  /// Everything the state holds, exactly.
  var archive: StateArchive { get }

  /// The state an archive came from.
  /// - Throws: `OptimizerError.archive` when a part is missing or has another shape.
  init(_ archive: StateArchive, for parameter: Parameter) throws(OptimizerError)
}

/// A rule's state in the form that checkpoints store.
public struct StateArchive: Sendable {
  /// Tensors by name, e.g. `first`.
  public var tensors: [String: Tensor]
  /// Whole numbers by name, e.g. `step`.
  public var counts: [String: Int]

  public init(tensors: [String: Tensor] = [:], counts: [String: Int] = [:]) {
    self.tensors = tensors
    self.counts = counts
  }

  /// A tensor shaped like the parameter.
  public func tensor(_ name: String, for parameter: Parameter) throws(OptimizerError) -> Tensor {
    guard let tensor = tensors[name] else {
      throw .archive(parameter.path, "the tensor '\(name)' is missing")
    }
    guard tensor.shape == parameter.shape else {
      throw .archive(
        parameter.path,
        "the tensor '\(name)' has shape \(tensor.shape), the parameter \(parameter.shape)")
    }
    return tensor
  }

  /// A whole number of at least zero.
  public func count(_ name: String, for parameter: Parameter) throws(OptimizerError) -> Int {
    guard let count = counts[name], count >= 0 else {
      throw .archive(parameter.path, "the number '\(name)' is missing or negative")
    }
    return count
  }
}
