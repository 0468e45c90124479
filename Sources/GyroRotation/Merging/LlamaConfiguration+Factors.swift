import GyroModels

extension LlamaConfiguration {
  /// Factors of rotary pairs, spread over the two elements of each.
  func elementFactors(ofPairs pairs: [Double]) -> [Double] {
    let half = headSize / 2
    return stride(from: 0, to: pairs.count, by: half).flatMap { start in
      let head = pairs[start..<start + half]
      return head + head
    }
  }

  /// Factors of the elements of key/value heads, repeated for the query heads that share them; those
  /// of a single head are shared by all.
  func queryFactors(_ factors: [Double]) -> [Double] {
    let perHead = factors.count / headSize
    return (0..<heads).flatMap { head in
      let shared = head * perHead / heads
      return factors[shared * headSize..<(shared + 1) * headSize]
    }
  }
}
