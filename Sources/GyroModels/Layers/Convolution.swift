public import GyroAutodiff
import GyroTensors

/// A two-dimensional convolution of images `[N, C, H, W]`: parameters `weight`
/// `[out, in / groups, height, width]` and, if asked, `bias` `[out]`; one activation site, `input`.
public struct Convolution: Module {
  public let weight: Parameter
  public let bias: Parameter?
  public let input: Site
  public let stride: Int
  public let padding: Int
  public let groups: Int

  /// - Parameters:
  ///   - size: Height and width of the kernel.
  ///   - padding: Zeros on each side; `(size − 1) / 2`, which keeps the extents at stride 1, when
  ///     nil.
  ///   - groups: `inputs` for a depthwise convolution.
  ///   - initializer: Of the weight; uniform in ±1 / sqrt(fan-in), as in PyTorch, when nil.
  public init(
    _ build: ModelBuilder, from inputs: Int, to outputs: Int, size: Int, stride: Int = 1,
    padding: Int? = nil, groups: Int = 1, bias: Bool = false, initializer: Initializer? = nil,
    sharing input: Site? = nil
  ) {
    precondition(
      inputs % groups == 0 && outputs % groups == 0,
      "Convolution \(build.path): \(inputs) → \(outputs) channels do not divide into \(groups)")
    let fanIn = inputs / groups * size * size
    let bound = 1 / Float(fanIn).squareRoot()
    weight = build.parameter(
      "weight", [outputs, inputs / groups, size, size], .convolution,
      initializer ?? .uniform(bound: bound))
    self.bias =
      bias
      ? build.parameter(
        "bias", [outputs], .bias, initializer == nil ? .uniform(bound: bound) : .zeros)
      : nil
    self.input = input ?? build.site("input")
    self.stride = stride
    self.padding = padding ?? (size - 1) / 2
    self.groups = groups
  }

  public func callAsFunction(_ x: Variable, _ pass: ForwardPass) -> Variable {
    self(seen: pass(x, at: input), pass)
  }

  /// The same for an input that already passed its site, so that it is quantized once.
  public func callAsFunction(seen x: Variable, _ pass: ForwardPass) -> Variable {
    x.convolved(
      weight: pass(weight), bias: bias.map { pass($0) }, stride: (stride, stride),
      padding: (padding, padding), groups: groups)
  }
}
