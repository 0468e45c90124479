public import GyroModels
public import GyroTensors

/// How the layers of a model are calibrated.
public struct CalibrationOptions: Sendable, Hashable {
  /// What a layer's Hessian is made of.
  public enum Activations: String, Sendable, Hashable, Codable, CaseIterable {
    /// Inputs as the float activations give them, behind the plan's online transforms: the published
    /// way, where activation quantizers are switched on afterwards (2405.16406, published code).
    case float
    /// Inputs as the quantized product sees them: behind the online transforms and the plan's
    /// activation quantizers, with keys and values quantized as well.
    case quantized
  }

  public var activations: Activations
  /// Whether layers are rounded one after the other, each fed by all that were rounded before it
  /// ("true-sequential": q, k, v, then o, then gate and up, then down). Otherwise the layers of a
  /// block (of a whole model that has none) see the float inputs of that block, and one pass does
  /// for all.
  public var isSequential: Bool
  /// Whether a linear layer makes up for the errors of those before it: its weight is first fitted to
  /// give the float model's output from the rounded model's inputs (asymmetric calibration; GPTAQ,
  /// 2504.02692). Takes a second, float pass. Block by block only.
  public var correctsInputs: Bool
  /// How the float products of calibration passes are computed.
  public var precision: MatmulPrecision
  /// How Hessians are computed.
  public var hessianPrecision: MatmulPrecision

  public init(
    activations: Activations = .float, isSequential: Bool = true, correctsInputs: Bool = false,
    precision: MatmulPrecision = .float32, hessianPrecision: MatmulPrecision = .splitBFloat16
  ) {
    self.activations = activations
    self.isSequential = isSequential
    self.correctsInputs = correctsInputs
    self.precision = precision
    self.hessianPrecision = hessianPrecision
  }
}

/// How far a quantization has come.
public struct CalibrationProgress: Sendable, Hashable {
  /// The site whose inputs are being collected, or the weight that has just been rounded.
  public let path: ParameterPath
  /// Weights done, and weights in all.
  public let weights: Int, allWeights: Int
  /// Samples that have passed at this site, and samples in all.
  public let samples: Int, allSamples: Int
}
