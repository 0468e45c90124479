public import GyroModels
public import GyroQuantization

extension GPTQ {
  /// Rounds the weights that a plan quantizes, block by block. Of the calibration windows only the
  /// hidden states in front of the current block are kept, and of a layer's inputs only their
  /// Hessian.
  ///
  /// In every block q, k and v are rounded first, then o, then gate and up, then down, and the next
  /// block sees what the rounded one gives (2210.17323 §4 with "true-sequential"). Embeddings are
  /// rounded by the plan; weights that are on a grid already stay.
  ///
  /// - Parameters:
  ///   - parameters: the model's, with the states of static activation ranges if
  ///     `options.activations` is `quantized` and the plan has such.
  ///   - windows: calibration text; the windows of one value run through the model together.
  ///   - progress: called before every pass and after every weight; what it throws ends the work.
  /// - Throws: `PostTrainingError`, or what `progress` throws.
  public func quantize(
    _ model: Llama, _ parameters: ParameterStore, under plan: QuantizationPlan,
    calibratedOn windows: [TokenWindow], _ options: CalibrationOptions = CalibrationOptions(),
    progress: (CalibrationProgress) throws -> Void = { _ in }
  ) throws -> GPTQOutcome {
    let rounding = try LayerRounding(self, plan, options, parameters)
    let tokens = windows.reduce(0) { $0 + $1.ids.count }
    let widest = rounding.inputs.groups.flatMap(\.weights).map { $0.shape.columns }.max() ?? 0
    guard tokens >= max(widest, 1) else {
      throw PostTrainingError.tooLittleText(tokens: tokens, needed: max(widest, 1))
    }

    return try withoutActuallyEscaping(progress) { progress in
      var stream = try LlamaStream(model, rounding, windows, progress: progress)
      try stream.run()
      return stream.rounding.outcome
    }
  }
}

extension LayerRounding {
  /// Groups whose inputs are collected in one go.
  func steps(of inputs: WeightInputs) -> [[WeightInputs.Group]] {
    if options.isSequential { return inputs.groups.map { [$0] } }
    return inputs.groups.isEmpty ? [] : [inputs.groups]
  }
}
