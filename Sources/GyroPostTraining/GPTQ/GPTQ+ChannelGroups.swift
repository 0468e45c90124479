import GyroModels
import GyroQuantization
import GyroTensors

extension GPTQ {
  /// Rounds the kernel of a convolution whose groups of channels each have a Hessian: part by part,
  /// under scales that are found for the whole kernel first.
  func quantized(
    _ weight: Tensor, hessians: [Hessian], quantizer: Quantizer, scales: GroupScales?,
    range: RangeMethod, at path: ParameterPath
  ) throws(PostTrainingError) -> Result {
    guard hessians.count > 1 else {
      return try quantized(
        weight, hessian: hessians[0], quantizer: quantizer, scales: scales, range: range, at: path)
    }
    let rows = weight.shape[0] / hessians.count
    let matrix = weight.reshaped([weight.shape[0], hessians[0].size]).contiguous()
    let whole = try ColumnScales(
      quantizer, matrix, shape: weight.shape, given: scales, range: range, isStatic: true, at: path
    ).groupScales
    let perRow = whole.scales.count / weight.shape[0]  // 0 when one scale serves all
    var parts: [Tensor] = []
    var loss = 0.0, damping = self.damping
    for (place, hessian) in hessians.enumerated() {
      let channels = place * rows..<(place + 1) * rows
      let groups = perRow * channels.lowerBound..<perRow * channels.upperBound
      var own = whole
      if perRow > 0 {
        own.scales = whole.scales.sliced(axis: 0, groups).copied()
        own.zeroPoints = whole.zeroPoints?.sliced(axis: 0, groups).copied()
      }
      let part = try quantized(
        matrix.sliced(axis: 0, channels), hessian: hessian, quantizer: quantizer, scales: own,
        at: path)
      parts.append(part.codes.tensor)
      loss += part.loss
      damping = max(damping, part.damping)
    }
    let rounded = Tensor.concatenated(parts, axis: 0).reshaped(weight.shape.dimensions)
    do throws(NotFiniteRow) {
      return Result(
        codes: try quantizer.quantized(rounded, with: whole), loss: loss, damping: damping,
        order: nil)
    } catch {
      throw .quantization(error.error(at: path, quantizer.scaleFormat))
    }
  }
}
