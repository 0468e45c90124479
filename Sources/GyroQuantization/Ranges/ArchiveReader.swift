import GyroTensors

/// Reads the tensors of saved state and says which is missing or wrong.
struct ArchiveReader {
  private let tensors: [String: Tensor]

  init(_ tensors: [String: Tensor]) { self.tensors = tensors }

  func tensor(_ key: String) throws(RangeError) -> Tensor {
    guard let tensor = tensors[key] else { throw .archive(key: key, "is missing") }
    return tensor
  }

  func floats(_ key: String, count: Int) throws(RangeError) -> [Float] {
    let tensor = try tensor(key)
    guard tensor.count == count else {
      throw .archive(key: key, "has \(tensor.count) numbers, not \(count)")
    }
    return tensor.elements
  }

  func counts(_ key: String) throws(RangeError) -> [Int] {
    guard let counts = ExactCounts.numbers(try tensor(key)) else {
      throw .archive(key: key, "does not hold counts")
    }
    return counts
  }

  /// The entries below a prefix, without it.
  func part(_ prefix: String) -> [String: Tensor] {
    var result: [String: Tensor] = [:]
    for (key, tensor) in tensors where key.hasPrefix(prefix) {
      result[String(key.dropFirst(prefix.count))] = tensor
    }
    return result
  }
}
