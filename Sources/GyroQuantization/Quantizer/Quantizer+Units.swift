import GyroTensors

extension Quantizer {
  /// Whether projections come as bfloat16 units, on which products run faster than on Float32: the
  /// numbers of a format with one scale for each row of a product, or times scales that are exact in
  /// bfloat16 themselves.
  var hasUnits: Bool {
    if let codebook = format as? Codebook {
      guard codebook.levels.allSatisfy({ $0.bitPattern & 0xffff == 0 }) else { return false }
    }
    switch granularity {
    case .tensor, .channel, .token: return true
    case .group, .head: return [.powerOfTwo, .e8m0, .e4m3].contains(scaleFormat)
    case .block: return false
    }
  }

  /// The tensor on a grid of units; nil when a number does not fit one.
  func units(
    of x: Tensor, _ layout: GroupLayout, _ scales: inout GroupScales, _ work: KernelWork
  ) throws(NotFiniteRow) -> UnitGrid? {
    let isScaled: Bool
    switch granularity {
    case .group, .head: isScaled = true
    default: isScaled = scaleFormat == .e4m3
    }
    let grid = UnitGrid(
      uninitializedRows: isScaled ? 1 : layout.groups, columns: isScaled ? x.count : layout.length)
    let isExact = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
    defer { isExact.deallocate() }
    isExact.pointee = 1
    try run(
      x, layout, &scales, work, into: .units(grid.unitPointer, scaled: isScaled, isExact: isExact))
    guard isExact.pointee != 0 else { return nil }
    if isScaled {
      grid.scalePointer[0] = scaleFormat == .e4m3 ? scales.tensorScale : 1
    } else {
      scales.scales.withElements { grid.scalePointer.update(from: $0, count: layout.groups) }
    }
    return grid
  }
}
