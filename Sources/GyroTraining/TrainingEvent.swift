public import Foundation
public import GyroModels

/// What happens during a run, in the order `began, (stepped | skipped | evaluated | advised |
/// checkpointed)…, ending, …, finished`; or `interrupted` or `failed` at the end.
public enum TrainingEvent: Sendable {
  /// The run starts, or goes on, at a step.
  case began(step: Int, steps: Int)
  case stepped(StepMetrics)
  /// A step was left out because something in it was not finite.
  case skipped(step: Int, NumericFault)
  case evaluated(Evaluation)
  case checkpointed(URL)
  /// Something about quantized weights deserves attention.
  case advised([HealthAdvice])
  /// The loop is over; whoever keeps things saves them now.
  case ending(Ending)
  case finished(step: Int)
  case interrupted(step: Int, checkpoint: URL?)
  case failed(step: Int, reason: String)

  /// Why a loop ends.
  public enum Ending: Sendable, Equatable {
    case finished
    case interrupted
  }
}

/// The figures of one step.
public struct StepMetrics: Sendable, Equatable {
  /// The number of steps done, this one included.
  public var step: Int
  /// The number of steps of the run.
  public var steps: Int
  /// The mean loss over the step's batches.
  public var loss: Double
  /// The norm of the mean gradient before clipping.
  public var gradientNorm: Double
  /// The factor that clipping put on the gradient.
  public var clippingFactor: Double
  /// The learning rate.
  public var rate: Double
  /// Items (tokens, images) in the step's batches.
  public var items: Int
  /// The time the step took.
  public var seconds: Double
  /// Physical memory in use after the step, in bytes; 0 where the system does not say.
  public var residentBytes: Int

  public init(
    step: Int, steps: Int, loss: Double, gradientNorm: Double, clippingFactor: Double = 1,
    rate: Double, items: Int = 0, seconds: Double = 0, residentBytes: Int = 0
  ) {
    self.step = step
    self.steps = steps
    self.loss = loss
    self.gradientNorm = gradientNorm
    self.clippingFactor = clippingFactor
    self.rate = rate
    self.items = items
    self.seconds = seconds
    self.residentBytes = residentBytes
  }

  /// Items per second.
  public var itemsPerSecond: Double { seconds > 0 ? Double(items) / seconds : 0 }
}

/// The figures of one evaluation.
public struct Evaluation: Sendable, Equatable {
  /// The number of steps done.
  public var step: Int
  /// All figures by name, e.g. `loss`, `perplexity`.
  public var figures: [String: Double]
  /// The figure that decides which evaluation is best.
  public var score: Double
  public var isBest: Bool

  public init(step: Int, figures: [String: Double], score: Double, isBest: Bool) {
    self.step = step
    self.figures = figures
    self.score = score
    self.isBest = isBest
  }
}

/// Listens to a run. Callbacks are called in the order they were given, so one that evaluates
/// belongs before one that saves.
public protocol TrainingCallback: AnyObject {
  /// Takes notice of an event, and may change the state.
  /// - Returns: an event that this one led to, which all callbacks then hear of.
  /// - Throws: anything; the run fails with it.
  func handle(_ event: TrainingEvent, _ state: inout TrainingState) throws -> TrainingEvent?
  /// Sees, and may change, the gradients of a step before they are clipped and used.
  /// `state.step` is the index of this step.
  /// - Parameters:
  ///   - gradients: their sum over the step's batches.
  ///   - batches: the number of those.
  func willUpdate(
    _ gradients: inout Gradients, batches: Int, _ state: inout TrainingState
  ) throws
  /// Sees, and may change, the parameters right after the optimizer moved them, before the moving
  /// average follows. `state.step` is still the index of this step.
  func didUpdate(_ state: inout TrainingState) throws
}

extension TrainingCallback {
  public func willUpdate(
    _ gradients: inout Gradients, batches: Int, _ state: inout TrainingState
  ) throws {}
  public func didUpdate(_ state: inout TrainingState) throws {}
}
