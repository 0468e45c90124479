public import GyroTensors

/// Gives each output channel of a quantized weight its mean and deviation back (ACIQ, 1810.05723
/// §4.3): `W′ = factor · W̄ + offset`, channel by channel along the first axis.
///
/// The result is not on the grid: a runtime takes the factor into the channel's scale, and the
/// offset times the sum of its inputs into the output.
public struct WeightCorrection: Sendable {
  /// `[channels]`: `‖W − mean W‖ / ‖W̄ − mean W̄‖`, 1 where either is zero.
  public let factors: Tensor
  /// `[channels]`: `mean W − factor · mean W̄`.
  public let offsets: Tensor

  /// - Parameters:
  ///   - weight: `[out, …]`.
  ///   - quantized: the same weight after quantization, of the same shape.
  public init(of weight: Tensor, quantized: Tensor) {
    precondition(
      weight.shape == quantized.shape && weight.shape.rank >= 1,
      "WeightCorrection: \(weight.shape) and \(quantized.shape) are not two forms of one weight")
    let channels = weight.shape[0]
    let length = channels == 0 ? 0 : weight.count / channels
    var factors: [Float] = []
    var offsets: [Float] = []
    weight.withElements { weight in
      quantized.withElements { quantized in
        for channel in 0..<channels {
          let exact = Self.moments(weight + channel * length, length)
          let rounded = Self.moments(quantized + channel * length, length)
          let isFlat = exact.norm == 0 || rounded.norm == 0
          let factor = isFlat ? 1 : exact.norm / rounded.norm
          factors.append(Float(factor))
          offsets.append(Float(exact.mean - factor * rounded.mean))
        }
      }
    }
    self.factors = Tensor([channels], elements: factors)
    self.offsets = Tensor([channels], elements: offsets)
  }

  /// A quantized weight `[out, …]` with the correction applied.
  public func corrected(_ quantized: Tensor) -> Tensor {
    precondition(
      quantized.shape[0] == factors.count,
      "WeightCorrection: \(factors.count) channels do not fit \(quantized.shape)")
    let column = Shape([factors.count] + quantized.shape.dimensions.dropFirst().map { _ in 1 })
    return quantized * factors.reshaped(to: column) + offsets.reshaped(to: column)
  }

  private static func moments(
    _ values: UnsafePointer<Float>, _ count: Int
  ) -> (mean: Double, norm: Double) {
    var sum = 0.0
    for place in 0..<count { sum += Double(values[place]) }
    let mean = count == 0 ? 0 : sum / Double(count)
    var squares = 0.0
    for place in 0..<count {
      let difference = Double(values[place]) - mean
      squares += difference * difference
    }
    return (mean, squares.squareRoot())
  }
}
