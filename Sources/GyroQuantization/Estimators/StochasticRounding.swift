import CGyroKernels
public import GyroAutodiff
public import GyroTensors

/// Rounds to the value above or below, with probabilities that make it right on average
/// (1502.02551; 2103.13630 §III-F): E[x̂] = x and var x̂ = f(1 − f)Δ², f the fraction of the step Δ
/// that x lies above its lower neighbor. The gradient passes inside the range.
///
/// Noise is drawn in training alone; what ships is rounded to the nearest.
public struct StochasticRounding: StaticRangeEstimator {
  public var name: String { "stochastic" }
  public var isRandom: Bool { true }

  public init() {}

  public func quantize(
    _ x: Variable, _ quantizer: Quantizer, _ state: [String: Variable], _ random: RandomStream
  ) throws(NotFiniteRow) -> Variable {
    let scales = try scales(of: x.value, quantizer, state)
    let rounded = quantizer.roundedStochastically(x.value, scales, random)
    return try quantizer.quantize(x, with: scales, snapped: rounded, slack: quantizer.halfStep)
  }
}

extension Quantizer {
  /// The tensor on its grid, each element above or below by chance; NaN stays. An element's noise
  /// follows from the stream and its place, whatever the number of threads.
  func roundedStochastically(
    _ x: Tensor, _ scales: GroupScales, _ random: RandomStream
  ) -> Tensor {
    var random = random
    let key = random.next()
    let layout = groups(of: x.shape)
    let source = granularity.gathered(x)
    let rounded = source.withElements { source in
      Tensor.filled(x.shape) { target in
        withLearnedScale(scales) {
          gyro_round_stochastically(
            $0, source, Int64(layout.groups), Int64(layout.length), key, target)
        }
      }
    }
    return granularity.scattered(rounded, x.shape)
  }
}
