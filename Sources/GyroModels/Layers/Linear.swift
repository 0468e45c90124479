public import GyroAutodiff
import GyroTensors

/// `y = x · wᵀ + b`: parameters `weight` `[out, in]` and, if asked, `bias` `[out]`; one activation
/// site, `input`, which projections that share one input (q, k, v; gate, up) share as well.
public struct Linear: Module {
  public let weight: Parameter
  public let bias: Parameter?
  public let input: Site

  public init(
    _ build: ModelBuilder, from inputs: Int, to outputs: Int, bias: Bool = true,
    initializer: Initializer? = nil, sharing input: Site? = nil
  ) {
    let bound = 1 / Float(inputs).squareRoot()
    weight = build.parameter(
      "weight", [outputs, inputs], .linear, initializer ?? .uniform(bound: bound))
    self.bias =
      bias
      ? build.parameter(
        "bias", [outputs], .bias, initializer == nil ? .uniform(bound: bound) : .zeros)
      : nil
    self.input = input ?? build.site("input")
  }

  public func callAsFunction(_ x: Variable, _ pass: ForwardPass) -> Variable {
    self(seen: pass(x, at: input), pass)
  }

  /// The same for an input that already passed its site, so that it is quantized once.
  public func callAsFunction(seen x: Variable, _ pass: ForwardPass) -> Variable {
    x.linear(weight: pass(weight), bias: bias.map { pass($0) }, precision: pass.precision)
  }
}
