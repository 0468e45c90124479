import GyroModels
import GyroQuantization
import GyroTensors

/// Rounds the weights of a model one by one, under the rules of a plan.
struct LayerRounding {
  let gptq: GPTQ
  let plan: QuantizationPlan
  let options: CalibrationOptions
  private(set) var parameters: ParameterStore
  private(set) var layers: [GPTQOutcome.Layer] = []
  let inputs: WeightInputs
  let geometry: [ParameterPath: ConvolutionGeometry]
  private let rules: [ParameterPath: QuantizationRule]

  init(
    _ gptq: GPTQ, _ plan: QuantizationPlan, _ options: CalibrationOptions,
    _ parameters: ParameterStore, geometry: [ParameterPath: ConvolutionGeometry] = [:]
  ) throws(PostTrainingError) {
    self.gptq = gptq
    self.plan = plan
    self.options = options
    self.parameters = parameters
    self.geometry = geometry
    inputs = try WeightInputs(plan, parameters)
    rules = Dictionary(
      plan.decisions.compactMap { decision in decision.rule.map { (decision.path, $0) } },
      uniquingKeysWith: { $1 })
  }

  var outcome: GPTQOutcome { GPTQOutcome(parameters: parameters, layers: layers) }

  /// An instrumentation that collects what the weights of some groups read. Weights of `pending`
  /// stay as they are.
  func capture(_ groups: [WeightInputs.Group], pending: WeightInputs? = nil) -> InputCapture {
    var moments: [ParameterPath: InputMoments] = [:]
    for group in groups {
      let forms = Set(group.weights.map { InputMoments.Form($0, geometry[$0.path]) })
      moments[group.site.path] = InputMoments(forms, options.hessianPrecision)
    }
    let waiting = (pending ?? inputs).groups.flatMap(\.weights).map(\.path)
    return InputCapture(
      plan, options, pending: Set(waiting.filter { parameters[$0].encoded == nil }),
      watching: moments)
  }

  /// Rounds the weights of a group. Those that share the scale of the tensor get it from all of them
  /// as they are before the first is rounded.
  mutating func round(
    _ group: WeightInputs.Group, _ capture: InputCapture,
    _ progress: (CalibrationProgress) throws -> Void
  ) throws {
    let moments = try capture.moments(at: group.site.path)
    var pending = parameters
    if let cross = moments.cross {
      for weight in group.weights {
        let hessian = moments.hessians[InputMoments.Form(weight, geometry[weight.path])]![0]
        pending[weight.path] = try cross.corrected(
          parameters[weight.path], hessian, damping: gptq.damping, at: weight.path)
      }
    }
    for weight in group.weights {
      try round(weight, pending, moments)
      try progress(
        CalibrationProgress(
          path: weight.path, weights: layers.count, allWeights: inputs.count,
          samples: moments.count, allSamples: moments.count))
    }
  }

  /// Rounds one weight of those that wait.
  private mutating func round(
    _ weight: Parameter, _ pending: ParameterStore, _ moments: InputMoments
  ) throws(PostTrainingError) {
    let path = weight.path, value = pending[path]
    let hessians = moments.hessians[InputMoments.Form(weight, geometry[path])]!
    let start = try start(of: path, parameters[path], pending)
    let rounded = try gptq.quantized(
      value, hessians: hessians, quantizer: start.quantizer,
      scales: start.isFixed ? start.codes.scales : nil, range: start.range, at: path)
    parameters[path] = start.quantizer.tensor(of: rounded.codes)
    let errors = Self.outputs(
      of: [
        value, Self.difference(rounded.codes.tensor, value),
        Self.difference(start.codes.tensor, value),
      ], hessians)
    layers.append(
      GPTQOutcome.Layer(
        path: path, shape: weight.shape.dimensions, rule: rules[path]?.summary ?? "",
        samples: hessians[0].count, damping: rounded.damping, loss: rounded.loss,
        error: errors[0] > 0 ? errors[1] / errors[0] : 0,
        roundingError: errors[0] > 0 ? errors[2] / errors[0] : 0))
  }

  private static func difference(_ a: Tensor, _ b: Tensor) -> Tensor {
    var result = a.copied()
    result.add(b, scaledBy: -1)
    return result
  }

  /// `‖X dᵀ‖²` for each of some weights, over all groups of channels.
  private static func outputs(of weights: [Tensor], _ hessians: [Hessian]) -> [Double] {
    var result = [Double](repeating: 0, count: weights.count)
    for (place, hessian) in hessians.enumerated() {
      let parts = weights.map { weight in
        let rows = weight.shape[0] / hessians.count
        return weight.reshaped([weight.shape[0], weight.count / max(weight.shape[0], 1)])
          .sliced(axis: 0, place * rows..<(place + 1) * rows)
      }
      let sums = hessian.meanSquaredOutputs(of: parts, hessian.matrix.tensor)
      for index in result.indices { result[index] += sums[index] }
    }
    return result
  }

  // MARK: Scales

  /// What plain rounding under the plan makes of a weight, and which part of it is binding.
  private struct Start {
    let quantizer: Quantizer
    let codes: QuantizedTensor
    /// Whether the scales were learned, or found before, and are in the store.
    var isFixed = false
    var range = RangeMethod.minMax
  }

  private func start(
    of path: ParameterPath, _ value: Tensor, _ pending: ParameterStore
  ) throws(PostTrainingError) -> Start {
    let rule = rules[path]!, quantizer = plan.quantizer(at: path, in: pending)!
    let estimator: any GradientEstimator
    do throws(QuantizationError) {
      estimator = try GradientEstimators.named(rule.estimator)
    } catch {
      throw .quantization(error)
    }
    guard estimator.roundsWeightsAsTheyAre else {
      throw .unsupported(
        path, problem: "the estimator '\(rule.estimator)' transforms weights before it rounds them",
        advice: "use 'straight-through' or a learned scale such as 'lsq'")
    }
    let isKept = estimator.stateNames(quantizer).allSatisfy {
      parameters.contains(ParameterPath("\(path.name)_\($0)"))
    }
    if rule.isDynamic || isKept {
      return try planned(path, isFixed: isKept, tensorScale: quantizer.tensorScale)
    }
    do throws(RangeError) {
      let ranges = try WeightRanges.ranges(
        of: value, quantizer: quantizer, method: rule.range, site: path.name)
      let codes = try? quantizer.quantized(value, with: quantizer.scales(ranges: ranges))
      // Finite, or there would be no ranges.
      return Start(quantizer: quantizer, codes: codes!, range: rule.range)
    } catch {
      throw .range(error)
    }
  }

  /// The codes that the plan itself gives a weight.
  private func planned(
    _ path: ParameterPath, isFixed: Bool, tensorScale: Float?
  ) throws(PostTrainingError) -> Start {
    do {
      guard let codes = try plan.codes(of: path, in: parameters, step: .max) else {
        throw PostTrainingError.unsupported(
          path, problem: "the plan never quantizes it",
          advice: "end its milestones with quantized weights")
      }
      let quantizer = try Quantizer(
        codes.format, codes.granularity, scaleFormat: codes.scaleFormat,
        isSymmetric: codes.isSymmetric
      ).sharing(tensorScale: tensorScale)
      return Start(quantizer: quantizer, codes: codes, isFixed: isFixed)
    } catch let fault as NumericFault {
      throw PostTrainingError(fault)
    } catch let error as QuantizationError {
      throw .quantization(error)
    } catch let error as PostTrainingError {
      throw error
    } catch {
      preconditionFailure("GPTQ: \(error)")
    }
  }
}
