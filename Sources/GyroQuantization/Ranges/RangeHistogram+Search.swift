import GyroTensors

extension RangeHistogram {
  /// The middle of every bin that is not empty, and zero, with their counts.
  var points: (values: Tensor, weights: [Double]) {
    var values: [Float] = []
    var weights: [Double] = []
    func append(_ value: Float, _ count: Int) {
      guard count > 0 else { return }
      values.append(value)
      weights.append(Double(count))
    }
    for bin in negative.indices.reversed() { append(-center(bin), negative[bin]) }
    append(0, zeros)
    for bin in positive.indices { append(center(bin), positive[bin]) }
    return (Tensor([values.count], elements: values), weights)
  }

  /// The range with the least error for a quantizer with one scale.
  ///
  /// A symmetric search by grid takes NVIDIA's candidates, the middles of all bins from the 128th
  /// on, and the first of equals; the others are those of `WeightRanges`, with both ends of an
  /// asymmetric range moved independently.
  func leastErrorRange(_ method: RangeMethod, _ quantizer: Quantizer) -> ClosedRange<Float> {
    let (values, weights) = points
    let search = RangeSearch(method, quantizer, inPlane: true)
    guard quantizer.isSymmetric, method == .meanSquare(.grid) else {
      return search.ranges(values, weights: weights, groups: 1)[0]
    }
    let isSigned = quantizer.format.isSigned
    let candidates = (min(EntropyRange.firstCandidate, bins - 1)..<bins).map { bin in
      (isSigned ? -center(bin) : 0)...center(bin)
    }
    let errors = search.errors(values, weights: weights, of: candidates)
    return candidates[errors.indices.min { errors[$0] < errors[$1] } ?? 0]
  }
}
