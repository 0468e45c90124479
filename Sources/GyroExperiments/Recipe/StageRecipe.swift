public import GyroOptimization

/// One thing to do. A recipe's stages run in order on the same model.
public enum StageRecipe: Sendable, Equatable {
  case evaluate(EvaluateStage)
  case train(TrainStage)
  case round(EvaluateStage)
  case export(ExportStage)

  /// The key that names the stage in a recipe.
  public var kind: String {
    switch self {
    case .evaluate: "evaluate"
    case .train: "train"
    case .round: "round"
    case .export: "export"
    }
  }
}

/// Measures the loss on `data.evaluate`. As `round`, it first turns quantization on: the
/// float weights are rounded without training.
public struct EvaluateStage: Sendable, Equatable {
  /// What the figures are called in results.
  public var label: String
  /// Whether quantization is on; nil keeps what the stages before left.
  public var quantized: Bool?
  /// Windows or images at most; nil for all.
  public var limit: Int?
  /// Tokens per window (text only); nil for the model's context, at most 512.
  public var length: Int?
}

/// Changes the weights.
public struct TrainStage: Sendable, Equatable {
  /// What is made small.
  public enum Loss: String, Sendable, CaseIterable {
    /// The loss on the labels (for text: the next token).
    case crossEntropy = "cross-entropy"
    /// The divergence from the float model the experiment began with.
    case distillation
  }
  /// How gradients become steps.
  public enum Rule: String, Sendable, CaseIterable { case adamw, sgd }

  public var label: String
  public var steps: Int
  public var rate: Double
  /// How the learning rate moves over the steps.
  public var schedule: Schedule.Course
  /// Steps during which the rate rises from zero.
  public var warmup: Int
  /// The rate at the end, as a fraction of `rate` (not for `constant`).
  public var floor: Double
  /// Examples per step and part of an accumulated step.
  public var batch: Int
  /// Tokens per example (text only).
  public var length: Int
  public var loss: Loss
  /// Whether quantization is simulated.
  public var quantized: Bool
  public var optimizer: Rule
  public var momentum: Double
  public var weightDecay: Double
  /// Largest norm of all gradients together; 0 does not clip.
  public var clip: Double
  /// Batches whose gradients are averaged for one step.
  public var accumulate: Int
  /// Decay of the moving average of the weights that later stages use; 0 keeps none.
  public var average: Double
  /// Whether blocks recompute their activations (less memory, more time).
  public var recompute: Bool
  /// Steps between checkpoints; 0 only at the end.
  public var checkpointEvery: Int
}

/// Writes the model for other programs, reads it back and measures it again.
public struct ExportStage: Sendable, Equatable {
  /// The layouts that can be written.
  public enum Format: String, Sendable, CaseIterable { case huggingface }
  /// How weights are stored.
  public enum Numbers: String, Sendable, CaseIterable { case float32, bfloat16 }
  public var format: Format
  public var numbers: Numbers
  /// Where to write, inside the folder of results unless absolute.
  public var path: String
}
