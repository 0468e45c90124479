public import GyroAutodiff
import GyroTensors

/// Root-mean-square normalization: `x / sqrt(mean(x²) + ε) · weight` over the last axis.
public struct RMSNorm: Module {
  public let weight: Parameter
  public let epsilon: Float

  public init(_ build: ModelBuilder, width: Int, epsilon: Float) {
    weight = build.parameter("weight", [width], .normalization, .ones)
    self.epsilon = epsilon
  }

  public func callAsFunction(_ x: Variable, _ pass: ForwardPass) -> Variable {
    x.rmsNormalized(weight: pass(weight), epsilon: epsilon)
  }
}
