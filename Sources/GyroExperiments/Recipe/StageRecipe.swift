public import GyroCheckpoints
public import GyroOptimization
public import GyroQuantization
public import GyroTraining

/// One thing to do. A recipe's stages run in order on the same model.
public enum StageRecipe: Sendable, Equatable {
  case calibrate(CalibrateStage)
  case compare(CompareStage)
  case evaluate(EvaluateStage)
  case train(TrainStage)
  case rotate(RotateStage)
  case ladder(LadderStage)
  case gptq(GPTQStage)
  case outliers(OutliersStage)
  case round(EvaluateStage)
  case export(ExportStage)

  /// The key that names the stage in a recipe.
  public var kind: String {
    switch self {
    case .calibrate: "calibrate"
    case .compare: "compare"
    case .evaluate: "evaluate"
    case .train: "train"
    case .rotate: "rotate"
    case .ladder: "ladder"
    case .gptq: "gptq"
    case .outliers: "outliers"
    case .round: "round"
    case .export: "export"
    }
  }

  /// Whether the stage walks step by step and keeps logs and checkpoints.
  var trains: Bool { !walks(at: 0).isEmpty }

  /// Where the stage at an index walks step by step, and what each walk is called.
  func walks(at index: Int) -> [(place: StagePlace, label: String)] {
    switch self {
    case .train(let stage): [(StagePlace(index), stage.label)]
    case .rotate(let stage) where stage.learning.steps > 0: [(StagePlace(index), stage.label)]
    case .ladder(let stage):
      stage.rungs.enumerated().filter { $0.element.learning.steps > 0 }.map {
        (StagePlace(index, rung: $0.offset), $0.element.label)
      }
    default: []
    }
  }
}

/// Turns quantization on, after finding the ranges that are found once and the starts of what is
/// learned, on `data.calibrate` (or `data.train`). Without this stage the same happens, with these
/// defaults, when quantization is first needed.
public struct CalibrateStage: Sendable, Equatable {
  public var label = "calibrate"
  /// Batches looked at.
  public var batches = 16
  /// Examples per batch.
  public var batch = 8
  /// Tokens per example (text only); nil for the model's context, at most 512.
  public var length: Int?
}

/// Rounds the float weights under several schemes, one after the other, and measures each; the model
/// stays as it was.
public struct CompareStage: Sendable, Equatable {
  /// A scheme and what its figures are called.
  public struct Candidate: Sendable, Equatable {
    public var name: String
    public var scheme: QuantizationScheme
  }
  public var label: String
  /// In the order of the recipe.
  public var schemes: [Candidate]
  /// Windows or images at most; nil for all.
  public var limit: Int?
  /// Tokens per window (text only); nil for the model's context, at most 512.
  public var length: Int?
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
    /// The divergence of the model from the float model the experiment began with.
    case distillation
    /// The divergence the other way round: what the model says that the float model would not.
    case reverseDistillation = "reverse-distillation"
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
  /// Tokens per example (text only); nil for the model's context, at most 128.
  public var length: Int?
  public var loss: Loss
  /// Softens both sides of a distillation.
  public var temperature: Double
  /// The share of distillation in the loss, the rest being cross-entropy; 1 for `distillation`.
  public var distillationShare: Double
  /// Whether quantization is simulated.
  public var quantized: Bool
  public var optimizer: Rule
  public var momentum: Double
  public var weightDecay: Double
  /// The rate of what quantizers learn, as a multiple of `rate`.
  public var scaleRate: Double
  /// What is switched on when; everything, always, when nil.
  public var milestones: MilestoneSchedule?
  /// Steps between samples of the quantizers' health; 0 takes none.
  public var health: Int
  /// λ that pulls weights away from the thresholds between codes, at the end of the stage; 0 does not.
  public var dampening: Double
  /// Weights that change their code more often than this, at the end of the stage, are held; 0 holds
  /// none.
  public var freezing: Double
  /// Largest norm of all gradients together; 0 does not clip.
  public var clip: Double
  /// Batches whose gradients are averaged for one step.
  public var accumulate: Int
  /// Decay of the moving average of the weights that later stages use; 0 keeps none.
  public var average: Double
  /// Batches over which batch normalization's statistics are measured anew after the last step, under
  /// the arithmetic of the stage; 0 leaves the running averages.
  public var reestimateBatchNorm: Int
  /// Whether blocks recompute their activations (less memory, more time).
  public var recompute: Bool
  /// Steps between checkpoints; 0 only at the end.
  public var checkpointEvery: Int
}

/// Writes the model for other programs, reads it back and measures it again.
public struct ExportStage: Sendable, Equatable {
  /// The project's own layout, which runs and commands go on from.
  public static let checkpoint = "huggingface"

  /// ``checkpoint`` or the name of an exporter.
  public var format: String
  /// The type of tensors without codes; nil for Float32 in a checkpoint, and in exports for the
  /// narrowest that holds them exactly.
  public var numbers: ScalarType?
  /// The format's storage type for quantized weights; nil for the best one for each.
  public var storage: String?
  /// Whether numbers may change; each change is measured.
  public var allowsLoss: Bool
  /// Where to write, inside the folder of results unless absolute.
  public var path: String
}
