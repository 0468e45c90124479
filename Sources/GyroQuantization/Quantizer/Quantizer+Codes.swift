public import GyroTensors

extension Quantizer {
  /// The codes of a tensor that already lies on this quantizer's grid and remembers it; nil for one
  /// that does not.
  public func codes(of tensor: Tensor) -> QuantizedTensor? {
    if let known = tensor.encoded as? QuantizedTensor { return known }
    guard let grid = tensor.wholeGrid, hasIntegerGrid else { return nil }
    let scales = GroupScales(scales: Tensor([grid.rows], elements: grid.scaleArray))
    // A code times its scale, divided by the scale, is within one rounding of the code.
    return try? quantized(tensor, with: scales)
  }

  /// A tensor that holds these codes, and what products run on: the same as in training.
  public func tensor(of codes: QuantizedTensor) -> Tensor {
    if hasIntegerGrid, codes.format.name == format.name,
      let onGrid = try? projected(codes.tensor, with: codes.scales)
    {
      return onGrid
    }
    var codes = codes
    if codes.units == nil, let own = codes.quantizer, own.hasUnits {
      var scales = codes.scales
      codes.units = try? own.units(
        of: codes.tensor, own.groups(of: codes.shape), &scales, .projection)
    }
    return Tensor(codes.shape, decoding: codes)
  }
}
