import GyroAutodiff
public import GyroModels
public import GyroQuantization
public import GyroTensors

extension GPTQ {
  /// Rounds the weights of linear layers and convolutions of any model, running the whole of it for
  /// every site: slower than going block by block, and without a model's help.
  ///
  /// Convolutions are rounded as the products they are, of patches of their input, each group of
  /// channels by itself; scales are then found for the whole kernel first.
  ///
  /// - Parameters:
  ///   - batches: how many calibration batches there are.
  ///   - geometry: of convolutions, by the path of their weight; stride 1 and a padding that keeps
  ///     the extents of odd kernels where nothing is said.
  ///   - progress: called before every pass and after every weight; what it throws ends the work.
  ///   - run: runs the model on batch number `index`.
  /// - Throws: `PostTrainingError`, or what `progress` throws.
  public func quantize(
    _ parameters: ParameterStore, under plan: QuantizationPlan, batches: Int,
    geometry: [ParameterPath: ConvolutionGeometry] = [:],
    _ options: CalibrationOptions = CalibrationOptions(),
    progress: (CalibrationProgress) throws -> Void = { _ in },
    run: (_ index: Int, _ pass: ForwardPass) throws -> Void
  ) throws -> GPTQOutcome {
    var rounding = try LayerRounding(self, plan, options, parameters, geometry: geometry)
    for groups in rounding.steps(of: rounding.inputs) {
      let capture = rounding.capture(groups)
      for index in 0..<batches {
        try progress(
          CalibrationProgress(
            path: groups[0].site.path, weights: rounding.layers.count,
            allWeights: rounding.inputs.count, samples: index, allSamples: batches))
        let pass = ForwardPass(
          rounding.parameters, mode: .evaluation, instrumentation: capture,
          precision: options.precision)
        try run(index, pass)
        try capture.check(pass)
      }
      for group in groups { try rounding.round(group, capture, progress) }
    }
    return rounding.outcome
  }

  /// The same for a classifier.
  /// - Parameter examples: calibration batches, `[N, …]`.
  public func quantize(
    _ model: some Classifier, _ parameters: ParameterStore, under plan: QuantizationPlan,
    calibratedOn examples: [Tensor], geometry: [ParameterPath: ConvolutionGeometry] = [:],
    _ options: CalibrationOptions = CalibrationOptions(),
    progress: (CalibrationProgress) throws -> Void = { _ in }
  ) throws -> GPTQOutcome {
    try quantize(
      parameters, under: plan, batches: examples.count, geometry: geometry, options,
      progress: progress
    ) { index, pass in
      _ = model(Variable(constant: examples[index]), pass)
    }
  }
}
