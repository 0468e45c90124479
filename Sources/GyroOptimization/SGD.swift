import CGyroKernels
public import GyroModels
public import GyroTensors

/// Stochastic gradient descent, with Polyak's or Nesterov's momentum:
/// ```
/// g ← g + weightDecay · p        v ← momentum · v + g
/// p ← p − rate · v               Nesterov: p ← p − rate · (g + momentum · v)
/// ```
public struct SGD: UpdateRule, Equatable {
  public let momentum: Double
  public let nesterov: Bool
  public let weightDecay: Double

  /// - Parameters:
  ///   - momentum: memory of past gradients, in [0, 1).
  ///   - nesterov: looks one step ahead; needs momentum.
  ///   - weightDecay: added to the gradient as `weightDecay · p`.
  public init(momentum: Double = 0, nesterov: Bool = false, weightDecay: Double = 0) {
    precondition((0..<1).contains(momentum), "SGD: momentum must lie in [0, 1), not \(momentum)")
    precondition(!nesterov || momentum > 0, "SGD: Nesterov's step needs a momentum above 0")
    precondition(weightDecay >= 0, "SGD: the weight decay must not be negative: \(weightDecay)")
    self.momentum = momentum
    self.nesterov = nesterov
    self.weightDecay = weightDecay
  }

  /// The running sum of gradients; nothing without momentum.
  public struct State: UpdateState {
    public var velocity: Tensor?

    public var archive: StateArchive {
      StateArchive(tensors: velocity.map { ["velocity": $0] } ?? [:])
    }

    init(velocity: Tensor?) { self.velocity = velocity }

    public init(_ archive: StateArchive, for parameter: Parameter) throws(OptimizerError) {
      velocity = archive.tensors.isEmpty ? nil : try archive.tensor("velocity", for: parameter)
    }
  }

  public func makeState(for parameter: Parameter) -> State {
    State(velocity: momentum > 0 ? .zeros(parameter.shape) : nil)
  }

  public func update(
    _ point: inout Tensor, gradient: Tensor, gradientScale: Double, state: inout State,
    rate: Double, of parameter: Parameter
  ) {
    let count = Int64(point.count)
    point.withMutableElements { point in
      gradient.withElements { gradient in
        func descend(_ velocity: UnsafeMutablePointer<Float>?) {
          gyro_sgd(
            point, gradient, velocity, count, rate, momentum, weightDecay, nesterov ? 1 : 0,
            gradientScale)
        }
        guard momentum > 0 else { return descend(nil) }
        if state.velocity == nil { state.velocity = .zeros(parameter.shape) }
        state.velocity!.withMutableElements { descend($0) }
      }
    }
  }

  public var withoutWeightDecay: SGD { SGD(momentum: momentum, nesterov: nesterov) }

  public var description: String {
    "sgd(momentum \(momentum)\(nesterov ? ", nesterov" : ""), weight decay \(weightDecay))"
  }
}
