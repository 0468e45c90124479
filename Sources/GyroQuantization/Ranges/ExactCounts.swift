import GyroTensors

/// Whole numbers of up to 63 bits as tensors, without loss: three Float32 pieces of 24, 24 and 15
/// bits each.
enum ExactCounts {
  private static let pieceBits = 24

  /// `[numbers, 3]`, the low bits first.
  static func tensor(_ numbers: [Int]) -> Tensor {
    let mask = (1 << pieceBits) - 1
    return Tensor(
      [numbers.count, 3],
      elements: numbers.flatMap { number in
        precondition(number >= 0, "ExactCounts: \(number) is negative")
        return [0, 1, 2].map { Float(number >> ($0 * pieceBits) & mask) }
      })
  }

  /// Undoes `tensor`; nil for anything that it cannot have made.
  static func numbers(_ tensor: Tensor) -> [Int]? {
    guard tensor.shape.rank == 2, tensor.shape[1] == 3 else { return nil }
    let pieces = tensor.elements
    var result: [Int] = []
    result.reserveCapacity(pieces.count / 3)
    for place in stride(from: 0, to: pieces.count, by: 3) {
      var number = 0
      for piece in 0..<3 {
        let limit: Float = piece == 2 ? 0x1p15 : 0x1p24
        let value = pieces[place + piece]
        guard value >= 0, value < limit, value == Float(Int(value)) else { return nil }
        number |= Int(value) << (piece * pieceBits)
      }
      result.append(number)
    }
    return result
  }
}
