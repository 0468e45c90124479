import CGyroKernels
import Glibc
public import GyroModels
public import GyroTensors

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2):
/// ```
/// m ← β₁ m + (1 − β₁) g          v ← β₂ v + (1 − β₂) g²
/// p ← p − rate · (m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + ε) + weightDecay · p)
/// ```
/// Step t counts the steps in which the parameter had a gradient.
public struct AdamW: UpdateRule, Equatable {
  public let beta1: Double
  public let beta2: Double
  public let epsilon: Double
  public let weightDecay: Double

  /// - Parameters:
  ///   - beta1: memory of the mean, in [0, 1).
  ///   - beta2: memory of the square, in [0, 1).
  ///   - epsilon: keeps the quotient finite, positive.
  ///   - weightDecay: the shrinkage per step is `rate · weightDecay`.
  public init(
    beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0.01
  ) {
    precondition((0..<1).contains(beta1), "AdamW: beta1 must lie in [0, 1), not \(beta1)")
    precondition((0..<1).contains(beta2), "AdamW: beta2 must lie in [0, 1), not \(beta2)")
    precondition(epsilon > 0, "AdamW: epsilon must be positive, not \(epsilon)")
    precondition(weightDecay >= 0, "AdamW: the weight decay must not be negative: \(weightDecay)")
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }

  /// Running means of the gradient and of its square.
  public struct State: UpdateState {
    public var first: Tensor
    public var second: Tensor
    public var step: Int

    public var archive: StateArchive {
      StateArchive(tensors: ["first": first, "second": second], counts: ["step": step])
    }

    init(zerosLike parameter: Parameter) {
      first = .zeros(parameter.shape)
      second = .zeros(parameter.shape)
      step = 0
    }

    public init(_ archive: StateArchive, for parameter: Parameter) throws(OptimizerError) {
      first = try archive.tensor("first", for: parameter)
      second = try archive.tensor("second", for: parameter)
      step = try archive.count("step", for: parameter)
    }
  }

  public func makeState(for parameter: Parameter) -> State { State(zerosLike: parameter) }

  public func update(
    _ point: inout Tensor, gradient: Tensor, gradientScale: Double, state: inout State,
    rate: Double, of parameter: Parameter
  ) {
    state.step += 1
    let bias1 = 1 - pow(beta1, Double(state.step))
    let bias2 = 1 - pow(beta2, Double(state.step))
    let count = Int64(point.count)
    point.withMutableElements { point in
      state.first.withMutableElements { first in
        state.second.withMutableElements { second in
          gradient.withElements { gradient in
            gyro_adamw(
              point, gradient, first, second, count, rate, beta1, beta2, epsilon, weightDecay,
              bias1, bias2, gradientScale)
          }
        }
      }
    }
  }

  public var withoutWeightDecay: AdamW {
    AdamW(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: 0)
  }

  public var description: String {
    "adamw(beta1 \(beta1), beta2 \(beta2), epsilon \(epsilon), weight decay \(weightDecay))"
  }
}
