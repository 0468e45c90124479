public import GyroRotation

/// Rotates a Llama as the scheme's `rotations` ask, so that it loses less when it is quantized: from a
/// start, perhaps the best of several, perhaps turned by a local objective, perhaps learned end to
/// end. The float model computes the same before and after. A second `rotate` begins again from the
/// model as it was before the first.
public struct RotateStage: Sendable, Equatable {
  /// What rotations begin as when there is no file.
  public enum Start: String, Sendable, CaseIterable { case identity, hadamard, orthogonal }
  /// How rotations move along their gradients.
  public enum Rule: String, Sendable, CaseIterable {
    /// Adam in the coordinates of the rotation.
    case cayleyAdam = "cayley-adam"
    /// Gradient descent with momentum that follows the manifold.
    case cayleySGD = "cayley-sgd"
    /// The published optimizer, whose momentum is without effect (2405.16406, its code).
    case published
  }

  public var label: String
  /// A file of rotations, of this model and scheme, to begin with instead of `start`.
  public var from: String?
  public var start: Start
  /// Seed of random starts.
  public var seed: Int
  /// How many starts are tried, with seeds that follow; the one with the smallest divergence from the
  /// float model is taken.
  public var candidates: Int
  /// Batches a candidate is tried on.
  public var candidateBatches: Int
  /// Turns each rotation against this objective of its activations alone.
  public var local: LocalObjective?
  public var localSteps: Int
  public var localRate: Double
  /// What is learned beside the rotations.
  public var scalings: Set<ScalingPair>
  /// Whether weights are quantized while rotations are learned.
  public var quantizesWeights: Bool
  public var optimizer: Rule
  /// Adam's rate for scaling pairs and learned clipping.
  public var scalingRate: Double
  /// Learning stops, and goes back to the best rotations there were, when the loss rises above this
  /// multiple of its first value; 0 lets it rise.
  public var stopAbove: Double
  /// Whether each block learns to give what the float block gives, one after the other, so that a step
  /// needs the memory of one.
  public var isBlockwise: Bool
  /// Learning end to end or block by block; `steps` may be 0, then the start is merged.
  public var learning: TrainStage
}

extension StageRecipe {
  /// The files of rotations that a stage begins with, by the key that names them.
  var rotationFiles: [(key: String, path: String)] {
    switch self {
    case .rotate(let stage): stage.from.map { [("rotate.from", $0)] } ?? []
    case .ladder(let stage):
      stage.rungs.enumerated().compactMap { index, rung in
        rung.from.map { ("ladder.rungs[\(index)].from", $0) }
      }
    default: []
    }
  }
}

/// Rotates in several ways, one after the other, measures each after rounding, and keeps the best —
/// which may be none.
public struct LadderStage: Sendable, Equatable {
  public var label: String
  /// In the order of the recipe; not to rotate is always the first thing tried.
  public var rungs: [RotateStage]
  /// Windows at most; nil for all.
  public var limit: Int?
  /// Tokens per window; nil for the model's context, at most 512.
  public var length: Int?
}

/// Where a stage keeps its files: its number from 0, and the rung of a ladder.
struct StagePlace {
  let index: Int
  let rung: Int?

  init(_ index: Int, rung: Int? = nil) {
    self.index = index
    self.rung = rung
  }
}

/// Gives a Llama the outlier channels of large models without changing what it computes.
public struct OutliersStage: Sendable, Equatable {
  public var label: String
  /// How far outlier channels stand out: the ratio of the largest channel to the median one.
  public var strength: Double
  public var seed: Int
  /// Windows of text that channels are measured on.
  public var windows: Int
}

/// Quantizes weights one after the other, each making up for the errors of those before it.
public struct GPTQStage: Sendable, Equatable {
  public var label: String
  /// Calibration windows and tokens per window; nil for the model's context, at most 512.
  public var windows: Int
  public var length: Int?
  /// Added to the diagonal of the Hessian, as a share of its mean.
  public var damping: Double
  /// Whether columns are taken in the order of their importance.
  public var actOrder: Bool
  /// Whether the scales of groups are found before any weight moves.
  public var staticGroups: Bool
  /// Whether a layer also makes up for what the layers before it lost.
  public var correctsInputs: Bool
  /// Whether the Hessian sees quantized activations.
  public var quantizedActivations: Bool
}
