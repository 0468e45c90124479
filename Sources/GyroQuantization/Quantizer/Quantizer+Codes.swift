public import GyroTensors

extension Quantizer {
  /// The codes of a tensor that already lies on this quantizer's grid and remembers it; nil for one
  /// that does not.
  public func codes(of tensor: Tensor) -> QuantizedTensor? {
    if let known = tensor.encoded as? QuantizedTensor { return known }
    guard let grid = tensor.wholeGrid, hasIntegerGrid else { return nil }
    let codes = PooledBuffer(byteCount: tensor.count)
    let target = codes.pointer.assumingMemoryBound(to: UInt8.self)
    let table = (0..<256).map { format.encode(Float(Int8(truncatingIfNeeded: $0))) }
    withExtendedLifetime(grid) {
      for place in 0..<tensor.count {
        target[place] = table[Int(UInt8(bitPattern: grid.codePointer[place]))]
      }
    }
    return QuantizedTensor(
      shape: tensor.shape, format: format, granularity: granularity, scaleFormat: scaleFormat,
      codes: codes, scales: GroupScales(scales: Tensor([grid.rows], elements: grid.scaleArray)))
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
