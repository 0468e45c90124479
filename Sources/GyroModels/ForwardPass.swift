public import GyroAutodiff
public import GyroTensors

/// What a forward pass is for. Mode is an argument: modules have no training flag.
public enum ForwardMode: Sendable, Equatable {
  /// Training, at a step.
  case training(step: Int)
  /// Collecting ranges without training.
  case calibration
  /// Measuring.
  case evaluation

  /// Whether batch statistics are used and random regularizers are on.
  public var isTraining: Bool { if case .training = self { true } else { false } }
}

/// The one seam between models and quantization: layers announce each named weight and each named
/// activation, and an instrumentation may put another value in its place.
public protocol Instrumentation: Sendable {
  /// Stands in for a parameter's value.
  func weight(_ value: Variable, of parameter: Parameter, _ pass: ForwardPass) -> Variable
  /// Stands in for an activation's value.
  func activation(_ value: Variable, at site: Site, _ pass: ForwardPass) -> Variable
  /// Whether an activation that costs something to show, such as attention's probabilities, is to
  /// be shown at all.
  func wants(_ site: Site) -> Bool
  /// How a batch normalization is computed, by the path of its layer, e.g. `layer1.0.bn1`.
  func batchNorm(_ layer: ParameterPath, _ pass: ForwardPass) -> BatchNormTreatment
}

extension Instrumentation {
  public func wants(_ site: Site) -> Bool { false }
  public func batchNorm(_ layer: ParameterPath, _ pass: ForwardPass) -> BatchNormTreatment { .live }
}

/// Leaves everything as it is: float baselines run through the same code as quantized models.
public struct NoInstrumentation: Instrumentation {
  public init() {}
  public func weight(_ value: Variable, of: Parameter, _ pass: ForwardPass) -> Variable { value }
  public func activation(_ value: Variable, at: Site, _ pass: ForwardPass) -> Variable { value }
}

/// A named activation, e.g. the input of `model.layers.0.mlp.down_proj`.
public struct Site: Hashable, Sendable {
  /// Where in a model an activation stands. Schemes choose by it.
  public enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
    /// The input of matrix products or convolutions.
    case input = "inputs"
    /// A sum that goes around a block.
    case residual = "residuals"
    /// Attention's probabilities.
    case attention
    /// Rows looked up in an embedding table.
    case embedding = "embeddings"
    /// The scores a model gives.
    case logits
    /// Queries of attention, as they meet the cached keys.
    case queries
    /// Keys and values of attention, as a cache holds them.
    case keys, values
  }

  public let path: ParameterPath
  public let kind: Kind
  /// Columns of one attention head, where columns are those of heads.
  public let headSize: Int?

  public init(_ path: ParameterPath, kind: Kind = .input, headSize: Int? = nil) {
    self.path = path
    self.kind = kind
    self.headSize = headSize
  }
}

/// Tensors recorded at paths during a pass: batch-norm moments, ranges. Nothing is mutated while
/// the pass runs; whoever owns the store absorbs them afterwards.
public typealias Statistics = [ParameterPath: Tensor]

/// One run of a model: hands out parameters (as tracked variables while differentiating), applies
/// the instrumentation, and collects gradients and statistics. It lives inside one call and is not
/// sendable.
public final class ForwardPass {
  public let mode: ForwardMode
  public let seed: UInt64
  /// How matrix products between float operands are computed.
  public let precision: MatmulPrecision
  /// Whether blocks drop their activations and recompute them in the backward pass.
  public let recomputesActivations: Bool
  /// Whether elements of weights that had to be decoded, from codes or 16-bit numbers, stay decoded in
  /// the store for the next pass. Else each weight is decoded when a layer asks for it, and goes when
  /// the layer is done.
  public let keepsDecodedWeights: Bool

  /// What all weights may take decoded for a pass to keep them so, unless it is told.
  public static let keptDecodedBytes = 1 << 30

  private let parameters: ParameterStore
  private let instrumentation: any Instrumentation
  private let trainable: (ParameterPath) -> Bool
  private var tape: Tape?
  private var placed: [ParameterPath: Variable] = [:]
  private var isRecomputing = false
  private(set) var gradients = Gradients()
  /// What layers recorded so far.
  public private(set) var statistics: Statistics = [:]
  /// The first value that was not finite where a quantizer met it.
  public private(set) var fault: NumericFault?

  /// A pass that does not differentiate.
  ///
  /// - Parameter keepsDecodedWeights: when nil, they are kept if all of them take at most
  ///   ``keptDecodedBytes``: with many rows decoding is little beside the product, but it is most of
  ///   the work for one token.
  public init(
    _ parameters: ParameterStore, mode: ForwardMode = .evaluation, seed: UInt64 = 0,
    instrumentation: any Instrumentation = NoInstrumentation(),
    precision: MatmulPrecision = .float32, keepsDecodedWeights: Bool? = nil
  ) {
    self.parameters = parameters
    self.mode = mode
    self.seed = seed
    self.instrumentation = instrumentation
    self.precision = precision
    self.keepsDecodedWeights =
      keepsDecodedWeights ?? (parameters.undecodedBytes <= Self.keptDecodedBytes)
    recomputesActivations = false
    trainable = { _ in false }
  }

  init(
    _ parameters: ParameterStore, mode: ForwardMode, seed: UInt64,
    instrumentation: any Instrumentation, precision: MatmulPrecision,
    recomputesActivations: Bool, trainable: @escaping (ParameterPath) -> Bool, tape: Tape
  ) {
    self.parameters = parameters
    self.mode = mode
    self.seed = seed
    self.instrumentation = instrumentation
    self.precision = precision
    self.recomputesActivations = recomputesActivations
    keepsDecodedWeights = true
    self.trainable = trainable
    self.tape = tape
  }

  /// A parameter as layers see it: tracked while differentiating, instrumented. Asked for twice in
  /// one pass (tied embeddings), it is the same variable, quantized once; in a pass that lets decoded
  /// weights go, the same values, quantized again.
  public func callAsFunction(_ parameter: Parameter) -> Variable {
    if let known = placed[parameter.path] { return known }
    let variable = instrumentation.weight(raw(parameter), of: parameter, self)
    if keepsDecodedWeights { placed[parameter.path] = variable }
    return variable
  }

  /// What a layer made of a parameter, e.g. a weight with a normalization folded into it, instrumented
  /// in the parameter's place.
  public func callAsFunction(_ value: Variable, standingFor parameter: Parameter) -> Variable {
    instrumentation.weight(value, of: parameter, self)
  }

  /// How the batch normalization of a layer is to be computed.
  public func batchNormTreatment(of layer: ParameterPath) -> BatchNormTreatment {
    instrumentation.batchNorm(layer, self)
  }

  /// A parameter without instrumentation, e.g. a learned scale that an instrumentation itself uses.
  public func raw(_ parameter: Parameter) -> Variable {
    let path = parameter.path
    let value = parameters[path]
    guard let tape, parameter.kind != .buffer, trainable(path) else {
      return Variable(constant: keepsDecodedWeights ? value : value.decodingApart())
    }
    return tape.leaf(value) { [unowned self] in gradients.accumulate($0, at: path) }
  }

  /// The handle of what the store holds at a path; nil when it holds nothing there.
  public func parameter(at path: ParameterPath) -> Parameter? { parameters.parameter(at: path) }

  /// A buffer's value, e.g. a running mean.
  public func buffer(_ path: ParameterPath) -> Tensor { parameters[path] }

  /// What the store holds at a path, without instrumentation or gradient; nil when it holds nothing
  /// there.
  public func value(at path: ParameterPath) -> Tensor? {
    parameters.contains(path) ? parameters[path] : nil
  }

  /// An activation as the next layer sees it.
  public func callAsFunction(_ activation: Variable, at site: Site) -> Variable {
    instrumentation.activation(activation, at: site, self)
  }

  /// Whether the instrumentation wants to see a site that costs something to show.
  public func wants(_ site: Site) -> Bool { instrumentation.wants(site) }

  /// The random stream of a site at this step.
  public func random(at site: Site) -> RandomStream {
    var step = 0
    if case .training(let at) = mode { step = at }
    return RandomStream(seed: seed).derived(site.path.name, step)
  }

  /// Keeps a tensor for whoever absorbs statistics after the pass.
  public func record(_ statistics: Tensor, at path: ParameterPath) {
    if !isRecomputing { self.statistics[path] = statistics }
  }

  /// Notes a value that is not finite; the first one is kept.
  public func note(_ fault: NumericFault) {
    if self.fault == nil { self.fault = fault }
  }

  /// Runs a block, keeping only its input when this pass recomputes activations.
  public func block(
    _ input: Variable, _ body: @escaping (Variable, ForwardPass) -> Variable
  ) -> Variable {
    guard recomputesActivations, let outer = tape else { return body(input, self) }
    return .recomputed(input, on: outer) { [unowned self] input, inner in
      let (savedTape, savedPlaces) = (tape, placed)
      tape = inner
      placed = [:]
      isRecomputing = inner != nil
      defer {
        tape = savedTape
        placed = savedPlaces
        isRecomputing = false
      }
      return body(input, self)
    }
  }
}

/// A value that is not finite, and where it was met.
public struct NumericFault: Error, Sendable, CustomStringConvertible {
  public let path: ParameterPath
  public let what: String

  public init(path: ParameterPath, what: String) {
    self.path = path
    self.what = what
  }

  public var description: String { "\(what) at \(path)" }
}
