import GyroTensors

/// A classifier whose batch normalizations can be folded into its convolutions for good.
public protocol BatchNormFoldable: Classifier {
  /// Whether that has been done; then convolutions have biases, and there is no normalization.
  var isFolded: Bool { get }
  /// The convolutions with their normalizations, in the order they are computed.
  var normalizedConvolutions: [NormalizedConvolution] { get }
  /// The same model with biases in place of normalizations.
  func withoutBatchNorm(_ build: ModelBuilder) -> Self
}

extension BatchNormFoldable {
  /// Static folding (2106.08295 §4.2.1): every normalization becomes part of the convolution before
  /// it, `W̃ = γ W / √(σ² + ε)`, `b̃ = β − γ μ / √(σ² + ε)`, by the running statistics. The result
  /// computes what this model computes outside of training, up to rounding; it can be trained on.
  ///
  /// Everything else in the store comes along, states of quantizers too. Those of weights stay right
  /// only if the weights were quantized folded (``BatchNormTreatment/folded``).
  public func foldingBatchNorm(
    _ parameters: ParameterStore
  ) -> (model: Self, parameters: ParameterStore) {
    guard !isFolded else { return (self, parameters) }
    let build = ModelBuilder.unfilled()
    let model = withoutBatchNorm(build)
    var store = build.store
    let pass = ForwardPass(parameters)
    var gone: Set<ParameterPath> = []
    for layer in normalizedConvolutions {
      guard let norm = layer.norm else { continue }
      let folded = norm.folded(into: layer.convolution, pass)
      store[layer.convolution.weight.path] = folded.weight.value
      store[layer.convolution.weight.path.sibling("bias")] = folded.bias.value
      gone.formUnion([layer.convolution.weight.path, layer.convolution.weight.path.sibling("bias")])
      gone.formUnion(
        [norm.weight, norm.bias, norm.runningMean, norm.runningVariance].map(\.path))
    }
    for path in parameters.paths where !gone.contains(path) {
      if store.contains(path) {
        store[path] = parameters[path]
      } else if let parameter = parameters.parameter(at: path) {
        store.declare(path, parameters[path], kind: parameter.kind)
      }
    }
    return (model, store)
  }
}

extension ParameterPath {
  /// The path beside this one.
  fileprivate func sibling(_ name: String) -> ParameterPath {
    let scope = self.name.split(separator: ".").dropLast().joined(separator: ".")
    return ParameterPath(scope).appending(name)
  }
}

extension ResNet: BatchNormFoldable {
  public var normalizedConvolutions: [NormalizedConvolution] {
    [stem] + blocks.flatMap { [$0.first, $0.second] + ($0.downsample.map { [$0] } ?? []) }
  }

  public func withoutBatchNorm(_ build: ModelBuilder) -> ResNet {
    ResNet(configuration, isFolded: true, build)
  }
}

extension MobileNet: BatchNormFoldable {
  public var normalizedConvolutions: [NormalizedConvolution] {
    [stem] + blocks.flatMap { [$0.depthwise, $0.pointwise] }
  }

  public func withoutBatchNorm(_ build: ModelBuilder) -> MobileNet {
    MobileNet(configuration, isFolded: true, build)
  }
}

/// Models without batch normalization are folded already.
extension LeNet: BatchNormFoldable {
  public var isFolded: Bool { true }
  public var normalizedConvolutions: [NormalizedConvolution] { [] }
  public func withoutBatchNorm(_ build: ModelBuilder) -> LeNet { self }
}

extension MultilayerPerceptron: BatchNormFoldable {
  public var isFolded: Bool { true }
  public var normalizedConvolutions: [NormalizedConvolution] { [] }
  public func withoutBatchNorm(_ build: ModelBuilder) -> MultilayerPerceptron { self }
}
