public import Foundation
public import GyroModels
public import GyroOptimization
public import GyroTensors

/// Everything a run needs to go on from where it is: a value, so a copy is a snapshot.
///
/// Law: N steps equal k steps, a checkpoint, a restart and N − k steps, bit for bit. Data, random
/// streams and the learning rate follow from (seed, step), so their positions need no state.
public struct TrainingState: Sendable {
  /// The number of steps done; also the index of the next one.
  public var step = 0
  /// Parameters and buffers.
  public var parameters: ParameterStore
  /// The rules and their moments.
  public var optimizer: Optimizer
  /// The smoothed parameters, if the run keeps any.
  public var average: ExponentialMovingAverage?
  /// Where every random stream of the run starts.
  public let seed: UInt64
  /// The best evaluation so far.
  public var best: BestResult?
  /// Steps left out because something in them was not finite.
  public var skippedSteps = 0
  /// Items (tokens, images) trained on so far.
  public var itemsSeen = 0
  /// Tensors that an owner wants carried along, e.g. observer statistics.
  public var extra: [String: Tensor] = [:]
  /// Short texts that an owner wants carried along.
  public var notes: [String: String] = [:]
  /// The newest checkpoint of this state, written or restored. It is not itself stored.
  public var checkpoint: URL?

  public init(
    parameters: ParameterStore, optimizer: Optimizer, seed: UInt64, averageDecay: Double? = nil
  ) {
    self.parameters = parameters
    self.optimizer = optimizer
    self.seed = seed
    average = averageDecay.map { ExponentialMovingAverage(of: parameters, decay: $0) }
  }

  /// What to evaluate and export: the moving average when there is one, else the parameters.
  public var evaluated: ParameterStore { average?.average ?? parameters }
}

/// The best evaluation of a run.
public struct BestResult: Sendable {
  public var score: Double
  /// The step after which it was measured.
  public var step: Int
  /// The parameters that reached it, if the run keeps them.
  public var parameters: ParameterStore?

  public init(score: Double, step: Int, parameters: ParameterStore? = nil) {
    self.score = score
    self.step = step
    self.parameters = parameters
  }
}
