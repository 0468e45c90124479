public import GyroAutodiff
public import GyroModels
public import GyroOptimization
public import GyroTensors

/// Trains one block of a quantized network at a time to give what the float block gave, on inputs
/// that were kept: QAT for little memory, or a last step of calibration (Li et al., 2102.05426 §3.2;
/// the first phase of EfficientQAT, 2407.11062 §3.2).
///
/// ```
/// var block = BlockReconstruction(schedule: schedule, trainable: "layer1.0")
/// let result = try block.run(&store, optimizer, inputs: inputs, original: float, plan) { x, pass in
///   model.blocks[0](x, pass)
/// }
/// ```
public struct BlockReconstruction: Sendable {
  /// The learning rate, and the number of steps.
  public var schedule: Schedule
  /// The parameters that are trained, usually all of the block.
  public var trainable: PathPattern
  /// Where the choice of inputs starts.
  public var seed: UInt64

  public init(schedule: Schedule, trainable: PathPattern, seed: UInt64 = 0) {
    self.schedule = schedule
    self.trainable = trainable
    self.seed = seed
  }

  /// The mean squared error over all inputs.
  public struct Result: Sendable, Equatable {
    public let before: Double, after: Double

    public init(before: Double, after: Double) {
      self.before = before
      self.after = after
    }
  }

  /// Trains a block; a result that is worse than the start is taken back.
  /// - Parameters:
  ///   - parameters: those of the quantized network; only trained ones of the block change.
  ///   - inputs: what the block of the quantized network is given, one batch each.
  ///   - originalInputs: what the float block was given; the same when nil.
  ///   - original: the parameters of the float network.
  /// - Throws: `NumericFault`, `PathError` for a pattern that matches nothing, `OptimizerError`.
  public func run(
    _ parameters: inout ParameterStore, _ optimizer: Optimizer, inputs: [Tensor],
    originalInputs: [Tensor]? = nil, original: ParameterStore,
    _ instrumentation: any Instrumentation, block: (Variable, ForwardPass) -> Variable
  ) throws -> Result {
    precondition(
      !inputs.isEmpty && originalInputs.map { $0.count == inputs.count } ?? true,
      "BlockReconstruction: \(inputs.count) inputs, \(originalInputs?.count ?? 0) original ones")
    let targets = (originalInputs ?? inputs).map {
      block(Variable(constant: $0), ForwardPass(original)).value
    }
    func error(_ store: ParameterStore) -> Double {
      let sum = zip(inputs, targets).reduce(0.0) { sum, pair in
        let output = block(
          Variable(constant: pair.0), ForwardPass(store, instrumentation: instrumentation))
        return sum + Double(output.reconstructionLoss(of: pair.1).value.item)
      }
      return sum / Double(inputs.count)
    }
    let before = error(parameters)
    let trained = Set(try parameters.paths(matching: trainable))
    var (store, optimizer) = (parameters, optimizer)
    for step in 0..<schedule.steps {
      var random = RandomStream(seed: seed).derived("block reconstruction", step)
      let choice = random.integer(below: inputs.count)
      let result = try differentiate(
        store, mode: .training(step: step), seed: seed, instrumentation: instrumentation,
        trainable: trained.contains
      ) { block(Variable(constant: inputs[choice]), $0).reconstructionLoss(of: targets[choice]) }
      try optimizer.step(&store, result.gradients, rate: schedule(step))
    }
    let after = error(store)
    guard after < before else { return Result(before: before, after: before) }
    parameters = store
    return Result(before: before, after: after)
  }
}
