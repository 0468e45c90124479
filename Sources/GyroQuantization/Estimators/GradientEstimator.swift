public import GyroAutodiff
public import GyroTensors

/// How gradients pass a quantizer, and what of the quantizer is learned.
///
/// Law, bit for bit: the value that `quantize` computes in training is
/// `quantized(x, quantizer, state).tensor`, so what is trained is what ships. (Stochastic rounding
/// cannot keep it: it ships the nearest values.) What ships may have a format of its own, so an
/// exporter reads it from the quantized tensor.
///
/// States are `[groups]` tensors unless said otherwise. Whoever owns them — a parameter store —
/// updates them by any rule and then calls `constrain`.
public protocol GradientEstimator: Hashable, Sendable {
  /// The name used in recipes and reports.
  var name: String { get }

  /// What must be kept for one weight or site, in order; empty when nothing is. Estimators that can
  /// follow the data also work without their states.
  func stateNames(_ quantizer: Quantizer) -> [String]

  /// The state that is a learned scale, if there is one.
  var learnedScale: String? { get }

  /// Whether codes are those of a weight itself, rather than of a transformation of it, so that it
  /// makes sense to watch how close a weight is to its code.
  var roundsWeightsAsTheyAre: Bool { get }

  /// Whether training draws noise that measuring does not.
  var isRandom: Bool { get }

  /// Whether its states go beside a range that follows the data; otherwise they say what it is.
  var followsData: Bool { get }

  /// First values of the states.
  /// - Parameters:
  ///   - sample: the weight itself, or the first calibration batch.
  ///   - scales: what the range method found.
  /// - Throws: `QuantizationError` when the quantizer is none this estimator can train.
  func initialState(
    for sample: Tensor, _ quantizer: Quantizer, scales: GroupScales
  ) throws(QuantizationError) -> [EstimatorState]

  /// The quantized variable; differentiable in `x` and the trained states.
  /// - Parameter random: consumed by stochastic estimators only.
  /// - Throws: `NotFiniteRow`, naming the first group with a NaN or an infinity.
  func quantize(
    _ x: Variable, _ quantizer: Quantizer, _ state: [String: Variable], _ random: RandomStream
  ) throws(NotFiniteRow) -> Variable

  /// The scales in use under these states; nil where they follow the data.
  func scales(_ quantizer: Quantizer, _ state: [String: Tensor]) -> GroupScales?

  /// The scale of the whole tensor that a weight alone would have under scales of two levels
  /// (`ScaleFormat.e4m3`): what weights share that runtimes fuse. nil where it does not follow from
  /// the weight and the states: because it was found once and is kept, or is always the same.
  func tensorScale(
    of x: Tensor, _ quantizer: Quantizer, _ state: [String: Tensor]
  ) -> Float?

  /// To be called after an optimizer step: puts learned ranges back where they mean something.
  func constrain(_ state: inout [String: Tensor])

  /// What ships.
  /// - Throws: `NotFiniteRow`, as `quantize` does.
  func quantized(
    _ x: Tensor, _ quantizer: Quantizer, _ state: [String: Tensor]
  ) throws(NotFiniteRow) -> QuantizedTensor
}

extension GradientEstimator {
  public func stateNames(_ quantizer: Quantizer) -> [String] { [] }

  public var learnedScale: String? { nil }

  public var roundsWeightsAsTheyAre: Bool { true }

  public var isRandom: Bool { false }

  public var followsData: Bool { false }

  public func initialState(
    for sample: Tensor, _ quantizer: Quantizer, scales: GroupScales
  ) throws(QuantizationError) -> [EstimatorState] { [] }

  public func scales(_ quantizer: Quantizer, _ state: [String: Tensor]) -> GroupScales? { nil }

  public func tensorScale(
    of x: Tensor, _ quantizer: Quantizer, _ state: [String: Tensor]
  ) -> Float? { nil }

  public func constrain(_ state: inout [String: Tensor]) {}

  public func quantized(
    _ x: Tensor, _ quantizer: Quantizer, _ state: [String: Tensor]
  ) throws(NotFiniteRow) -> QuantizedTensor {
    try quantizer.quantized(x, with: scales(quantizer, state))
  }
}

/// Something an estimator keeps in the parameter store for one weight or site.
public struct EstimatorState: Sendable {
  /// Comes after the weight's or site's own name, e.g. `scale`.
  public let name: String
  public let value: Tensor
  /// Whether an optimizer changes it.
  public let isTrained: Bool

  public init(_ name: String, _ value: Tensor, isTrained: Bool) {
    self.name = name
    self.value = value
    self.isTrained = isTrained
  }
}

/// Where learned ranges may go. A step that would make a scale zero, negative or infinite leaves it
/// at an end of this range instead: small enough that every value saturates and the gradient, whose
/// sign does not depend on the scale, can bring it back, and far enough from the ends of Float32
/// that no product of two such numbers overflows.
enum LearnedRange {
  static let scales: ClosedRange<Float> = 0x1p-64...0x1p+60

  /// Moves a state into a range; NaN, which compares with nothing, becomes `fallback`.
  static func constrain(
    _ state: inout [String: Tensor], _ name: String, to range: ClosedRange<Float> = scales,
    fallback: Float = scales.lowerBound
  ) {
    guard var value = state[name] else { return }
    let count = value.count
    let isFine = value.withElements { elements in
      (0..<count).allSatisfy { range.contains(elements[$0]) }
    }
    if isFine { return }
    value.withMutableElements { elements in
      for index in 0..<count {
        let element = elements[index]
        elements[index] =
          element.isNaN ? fallback : min(max(element, range.lowerBound), range.upperBound)
      }
    }
    state[name] = value
  }

  /// First values of a learned scale: 1 where a group is all zeros, as in a min–max quantizer.
  static func initial(_ scales: [Float]) -> Tensor {
    Tensor(
      [scales.count],
      elements: scales.map {
        $0 > 0 ? min(max($0, Self.scales.lowerBound), Self.scales.upperBound) : 1
      })
  }
}
