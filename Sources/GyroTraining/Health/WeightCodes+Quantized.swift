public import GyroQuantization

extension WeightCodes {
  /// The codes of a quantized tensor whose groups are runs of elements (all but blocks).
  public init(_ quantized: QuantizedTensor) {
    let format = quantized.format
    let scales = quantized.scales.scales.elements
    let codes = quantized.codeArray
    guard let zeroPoints = quantized.scales.zeroPoints else {
      let values = format.values
      let ranks = (0..<256).map { code -> UInt8 in
        let value = format.decode(UInt8(code))
        return UInt8(values.firstIndex(of: value) ?? 0)
      }
      self.init(levels: codes.map { ranks[Int($0)] }, values: values, scales: scales)
      return
    }
    let count = 1 << format.bits
    self.init(
      levels: codes.map { $0 & UInt8(count - 1) }, values: (0..<count).map { Float($0) },
      scales: scales, offsets: zeroPoints.elements)
  }
}
