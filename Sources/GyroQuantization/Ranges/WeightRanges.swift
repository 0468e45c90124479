import CGyroKernels
public import GyroTensors

/// Ranges of a tensor at hand, one for each group that shares a scale: those of weights, and of
/// activations whose range follows each batch.
public enum WeightRanges {
  /// The range of each group of `quantizer`, in the order of its scales.
  ///
  /// A symmetric quantizer's ranges are `−a … a` (`0 … a` if its format is unsigned), but for
  /// `min-max`, which is the data's own (and so is that of the furthest group under E4M3 scales). A
  /// group of zeros has the range `0 … 0`. Searches try the
  /// data's range first: none gives a larger error than `min-max`. Percentiles are exact; `entropy`
  /// and `aciq` use a histogram of each group. A moving average of one tensor is its own range.
  /// - Parameter steps: into how many steps a search cuts the data's range.
  /// - Precondition: the quantizer's groups divide the shape (see `Quantizer.layout`).
  /// - Throws: `RangeError.empty` for a tensor without elements, `.notFinite`, `.unsigned` for
  ///   negative values under a format without them, and `.unsuitable` or `.needs` for methods that
  ///   make no sense here.
  public static func ranges(
    of tensor: Tensor, quantizer: Quantizer, method: RangeMethod, site: String = "tensor",
    steps: Int = 100
  ) throws(RangeError) -> [ClosedRange<Float>] {
    try method.validate()
    let layout = quantizer.groups(of: tensor.shape)
    guard tensor.count > 0 else { throw .empty(site: site) }
    let largest = tensor.maximumMagnitude
    guard largest.isFinite else { throw .notFinite(site: site) }
    if quantizer.isSymmetric, !quantizer.format.isSigned {
      let lowest = tensor.minimum()
      guard lowest >= 0 else {
        throw .unsigned(site: site, format: quantizer.format.name, lowest: lowest)
      }
    }
    let gathered = quantizer.granularity.gathered(tensor)
    switch method {
    case .meanSquare, .clipSearch:
      return searched(gathered, layout, method, quantizer, steps)
    case .minMax, .movingAverage:
      return extremes(gathered, layout)
    case .percentile(let percent):
      return percentiles(gathered, layout, percent, quantizer)
    case .entropy, .analytic:
      return try perGroup(gathered, layout, method, quantizer, site)
    case .crossEntropy:
      guard layout.groups == 1 else {
        throw .needs(method, "one scale for all logits; use the granularity 'tensor'")
      }
      return [try LogitsRange.range(of: tensor, quantizer: quantizer, site: site)]
    case .batchNorm:
      throw .needs(method, "the batch norm before an activation; use 'min-max' for weights")
    }
  }

  /// The scale that a tensor alone would have under scales of two levels; nil for one of zeros, which
  /// can do with any.
  /// - Throws: as `ranges` does.
  static func tensorScale(
    of tensor: Tensor, quantizer: Quantizer, method: RangeMethod, site: String
  ) throws(RangeError) -> Float? {
    // A search leaves the furthest group its own range.
    let method =
      switch method {
      case .meanSquare, .clipSearch: RangeMethod.minMax
      default: method
      }
    let ranges = try ranges(of: tensor, quantizer: quantizer, method: method, site: site)
    let reach = ranges.map { quantizer.reach(of: $0) }.max() ?? 0
    return reach > 0 ? quantizer.kernelTensorScale(reach) : nil
  }

  /// Where scales are stored in two levels, the group that reaches furthest keeps its own range:
  /// the tensor's scale follows from it, and all others are rounded in units of that. Where another
  /// tensor reaches further and the scale is shared, every group is free.
  private static func searched(
    _ x: Tensor, _ layout: GroupLayout, _ method: RangeMethod, _ quantizer: Quantizer, _ steps: Int
  ) -> [ClosedRange<Float>] {
    guard quantizer.scaleFormat == .e4m3, layout.groups > 1 || quantizer.tensorScale != nil else {
      return RangeSearch(method, quantizer, inPlane: false, steps: steps)
        .ranges(x, groups: layout.groups)
    }
    let data = extremes(x, layout)
    let reaches = data.map { quantizer.reach(of: $0) }
    let furthest = reaches.indices.max { reaches[$0] < reaches[$1] } ?? 0
    let search = RangeSearch(
      method, quantizer, tensorReach: reaches[furthest], inPlane: false, steps: steps)
    var result = search.ranges(x, groups: layout.groups)
    if quantizer.kernelTensorScale(reaches[furthest]) >= quantizer.tensorScale ?? 0 {
      result[furthest] = data[furthest]
    }
    return result
  }

  private static func extremes(_ x: Tensor, _ layout: GroupLayout) -> [ClosedRange<Float>] {
    x.withElements { elements in
      (0..<layout.groups).map { group in
        let start = elements + group * layout.length
        let count = Int64(layout.length)
        return gyro_minimum(start, count)...gyro_maximum(start, count)
      }
    }
  }

  private static func percentiles(
    _ x: Tensor, _ layout: GroupLayout, _ percent: Double, _ quantizer: Quantizer
  ) -> [ClosedRange<Float>] {
    x.withElements { elements in
      (0..<layout.groups).map { group in
        let values = UnsafeBufferPointer(
          start: elements + group * layout.length, count: layout.length)
        guard quantizer.isSymmetric else {
          return PercentileRange.exactEnds(Array(values), percent: percent)
        }
        let end = PercentileRange.exact(values.map(\.magnitude), percent: percent)
        return (quantizer.format.isSigned ? -end : 0)...end
      }
    }
  }

  /// An observer for each group, which has seen nothing else.
  private static func perGroup(
    _ x: Tensor, _ layout: GroupLayout, _ method: RangeMethod, _ quantizer: Quantizer,
    _ site: String
  ) throws(RangeError) -> [ClosedRange<Float>] {
    let rows = x.reshaped([layout.groups, layout.length])
    var result: [ClosedRange<Float>] = []
    result.reserveCapacity(layout.groups)
    for group in 0..<layout.groups {
      var observer = try RangeObserver(method, site: site)
      try observer.observe(rows.sliced(axis: 0, group..<group + 1))
      result.append(try observer.range(for: quantizer.perTensor))
    }
    return result
  }
}

extension Quantizer {
  /// What a group's scale follows from: the largest magnitude, or the width of the range.
  func reach(of range: ClosedRange<Float>) -> Float {
    let low = min(range.lowerBound, 0), high = max(range.upperBound, 0)
    return isSymmetric ? max(-low, high) : kernelWidth(low, high)
  }
}
