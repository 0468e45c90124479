public import GyroTensors

/// The range of logits that keeps the answer (2106.08295 §3.1): the least cross-entropy
/// `H(softmax v, softmax v̄)` between the distributions before and after quantization. Small logits
/// do not matter then, and the large ones keep their order.
public enum LogitsRange {
  /// The range of least loss among 100 even steps of the data's range, and those of least squared
  /// error; so the loss is never above that of `mse`.
  /// - Parameters:
  ///   - logits: `[…, classes]`.
  ///   - quantizer: its format, scale type and symmetry; the scale is one for all logits.
  /// - Throws: `RangeError.empty` or `.notFinite`.
  public static func range(
    of logits: Tensor, quantizer: Quantizer, site: String = "logits"
  ) throws(RangeError) -> ClosedRange<Float> {
    let whole = quantizer.perTensor
    let data = try WeightRanges.ranges(of: logits, quantizer: whole, method: .minMax, site: site)[0]
    var candidates = (0..<100).map { step in
      let factor = Float(100 - step) / 100
      return data.lowerBound * factor...data.upperBound * factor
    }
    candidates += try WeightRanges.ranges(
      of: logits, quantizer: whole, method: .meanSquare(), site: site)
    let target = logits.softmax()
    let losses = candidates.map { loss(logits, target, whole, $0) }
    return candidates[losses.indices.min { losses[$0] < losses[$1] } ?? 0]
  }

  /// The mean over rows of `−Σ softmax(v) · ln softmax(v̄)` in nats, v̄ quantized with this range.
  /// - Throws: `RangeError.empty` or `.notFinite`.
  public static func crossEntropy(
    of logits: Tensor, quantizer: Quantizer, range: ClosedRange<Float>, site: String = "logits"
  ) throws(RangeError) -> Double {
    guard logits.count > 0 else { throw .empty(site: site) }
    guard logits.allFinite else { throw .notFinite(site: site) }
    return loss(logits, logits.softmax(), quantizer.perTensor, range)
  }

  private static func loss(
    _ logits: Tensor, _ target: Tensor, _ quantizer: Quantizer, _ range: ClosedRange<Float>
  ) -> Double {
    let scales = quantizer.scales(ranges: [range])
    guard let quantized = try? quantizer.projected(logits, with: scales) else {
      preconditionFailure("LogitsRange: logits were finite before")
    }
    let rows = Double(logits.shape.rows)
    return (quantized.logSumExp().preciseSum() - target.dot(quantized)) / rows
  }
}

extension Quantizer {
  /// The same with one scale for all of a tensor.
  var perTensor: Quantizer {
    guard
      let whole = try? Quantizer(
        format, .tensor, scaleFormat: scaleFormat, isSymmetric: isSymmetric)
    else { preconditionFailure("Quantizer: symmetry was checked before") }
    return whole
  }
}
