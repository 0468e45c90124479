public import GyroModels
public import GyroTensors

/// Simulated quantization of a tensor: `x̄ = project(x / scale) · scale` group by group, in a number
/// format, with scales stored in a type of their own.
///
/// Division by the scale, not multiplication by a reciprocal, is the definition: it rounds once. A
/// symmetric scale is `max|x| / format.span`; an asymmetric quantizer (whole numbers only) has
/// `scale = (max − min) / (2^bits − 1)` over the range widened to contain 0, and the zero point
/// `round(−min / scale)`, so zero stays exact (2106.08295 §2.1). A group of zeros has codes at zero
/// and scale 1 (under `ScaleFormat.e4m3` the least one); no scale is less than 2^−126 (2^−127 in
/// E8M0), or than its type's least normal number.
public struct Quantizer: Sendable {
  public let format: any NumberFormat
  public let granularity: Granularity
  public let scaleFormat: ScaleFormat
  /// Whether zero is in the middle; if not, codes are `0 … 2^bits − 1` around a zero point.
  public let isSymmetric: Bool
  /// Under `ScaleFormat.e4m3`, the tensor's scale where it is given, because several tensors share
  /// it; groups that reach beyond saturate. nil where it follows from the tensor alone.
  public private(set) var tensorScale: Float?

  /// - Throws: `QuantizationError.asymmetric` when the format has no room for a zero point.
  public init(
    _ format: any NumberFormat, _ granularity: Granularity, scaleFormat: ScaleFormat = .float32,
    isSymmetric: Bool = true
  ) throws(QuantizationError) {
    guard isSymmetric || format is IntegerFormat else { throw .asymmetric(format: format.name) }
    self.format = format
    self.granularity = granularity
    self.scaleFormat = scaleFormat
    self.isSymmetric = isSymmetric
  }

  /// The same with the scale of the tensor given; nil lets it follow from the tensor.
  package func sharing(tensorScale: Float?) -> Quantizer {
    var result = self
    result.tensorScale = tensorScale
    return result
  }

  /// The number that a group's range is divided by to get its scale.
  package var span: Float { isSymmetric ? format.span : Float((1 << format.bits) - 1) }

  /// How a tensor of this shape is cut.
  /// - Throws: `QuantizationError.indivisible` when groups do not divide the axis they cut.
  public func layout(
    of shape: Shape, named path: ParameterPath = "tensor"
  ) throws(QuantizationError) -> GroupLayout {
    try GroupLayout(granularity, of: shape, named: path)
  }

  /// The layout of a shape that has been checked: a shape that does not divide is a bug here.
  func groups(of shape: Shape) -> GroupLayout {
    do throws(QuantizationError) {
      return try layout(of: shape)
    } catch {
      preconditionFailure("Quantizer: \(error) (check with layout(of:named:) first)")
    }
  }

  // MARK: Scales

  /// Scales that cover the data, group by group (min–max).
  /// - Throws: `NotFiniteRow`, naming the first group with a NaN or an infinity, or whose scale is
  ///   beyond the scale format.
  public func scales(covering x: Tensor) throws(NotFiniteRow) -> GroupScales {
    let layout = groups(of: x.shape)
    var result = emptyScales(layout)
    let source = granularity.gathered(x)
    try run(source, layout, &result, .scales, into: .nothing)
    return result
  }

  /// Scales for given ranges, one per group, each widened to contain 0; a symmetric scale covers
  /// `max(|low|, |high|)`. A scale beyond the scale format becomes the format's largest.
  public func scales(ranges: [ClosedRange<Float>]) -> GroupScales {
    let reach = ranges.map { range -> Float in
      let low = min(range.lowerBound, 0), high = max(range.upperBound, 0)
      return isSymmetric ? max(-low, high) : kernelWidth(low, high)
    }
    let tensorScale =
      scaleFormat == .e4m3 ? self.tensorScale ?? kernelTensorScale(reach.max() ?? 0) : 1
    let scales = reach.map { min(kernelScale($0, tensorScale), scaleFormat.largest) }
    let count: Shape = [ranges.count]
    let zeroPoints =
      isSymmetric
      ? nil
      : zip(ranges, scales).map { range, scale in kernelZeroPoint(min(range.lowerBound, 0), scale) }
    return GroupScales(
      scales: Tensor(count, elements: scales),
      zeroPoints: zeroPoints.map { Tensor(count, elements: $0) }, tensorScale: tensorScale)
  }

  /// The scale of the whole tensor, under scales of two levels that cover the data; nil for a tensor
  /// of zeros, which can do with any. Not finite where the tensor is not.
  func tensorScale(covering x: Tensor) -> Float? {
    if isSymmetric {
      let reach = x.maximumMagnitude
      return reach == 0 ? nil : kernelTensorScale(reach)
    }
    guard x.maximumMagnitude != 0 else { return nil }
    return (try? scales(covering: x))?.tensorScale
  }

  // MARK: Projection

  /// The tensor with every group on its grid, under scales that cover the data.
  ///
  /// Signed whole numbers with a scale per tensor, channel or token come on an `IntegerGrid`, so
  /// that products run on their codes.
  /// - Throws: `NotFiniteRow`, as `scales(covering:)` does.
  public func projected(_ x: Tensor) throws(NotFiniteRow) -> Tensor {
    var scales = emptyScales(groups(of: x.shape))
    return try projected(x, &scales, isDynamic: true)
  }

  /// The tensor with every group on its grid, under the given scales; values beyond saturate.
  /// - Throws: `NotFiniteRow`, naming the first group with a NaN or an infinity.
  public func projected(
    _ x: Tensor, with scales: GroupScales
  ) throws(NotFiniteRow) -> Tensor {
    check(scales, groups(of: x.shape))
    var scales = scales
    return try projected(x, &scales, isDynamic: false)
  }

  private func projected(
    _ x: Tensor, _ scales: inout GroupScales, isDynamic: Bool
  ) throws(NotFiniteRow) -> Tensor {
    let layout = groups(of: x.shape)
    let work: KernelWork = isDynamic ? .scalesAndProjection : .projection
    if hasIntegerGrid {
      let grid = IntegerGrid(uninitializedRows: layout.groups, columns: layout.length)
      try run(x, layout, &scales, work, into: .signed(grid.codePointer))
      scales.scales.withElements { grid.scalePointer.update(from: $0, count: layout.groups) }
      return Tensor(x.shape, on: grid)
    }
    if hasUnits, let grid = try units(of: x, layout, &scales, work) {
      return Tensor(x.shape, decoding: grid)
    }
    let source = granularity.gathered(x)
    var result = Tensor(uninitialized: source.shape)
    let output = result.withMutableElements { $0 }
    try run(source, layout, &scales, work, into: .values(output))
    return granularity.scattered(result, x.shape)
  }

  /// The codes and scales of a tensor: under scales that cover the data, or under the given ones.
  /// - Throws: `NotFiniteRow`, as `projected` does.
  public func quantized(
    _ x: Tensor, with scales: GroupScales? = nil
  ) throws(NotFiniteRow) -> QuantizedTensor {
    let layout = groups(of: x.shape)
    if let scales { check(scales, layout) }
    var used = scales ?? emptyScales(layout)
    let codes = PooledBuffer(byteCount: x.count)
    try run(
      granularity.gathered(x), layout, &used, scales == nil ? .scalesAndProjection : .projection,
      into: .codes(codes.pointer.assumingMemoryBound(to: UInt8.self)))
    return QuantizedTensor(
      shape: x.shape, format: format, granularity: granularity, scaleFormat: scaleFormat,
      codes: granularity.scattered(codes, x.shape), scales: used)
  }

  /// Whether projections come with integer codes that a matrix product can use.
  var hasIntegerGrid: Bool {
    // A grid has one scale where E4M3 scales have two levels.
    guard isSymmetric, scaleFormat != .e4m3, let integers = format as? IntegerFormat,
      integers.isSigned
    else { return false }
    switch granularity {
    case .tensor, .channel, .token: return true
    case .group, .head, .block: return false
    }
  }

  private func emptyScales(_ layout: GroupLayout) -> GroupScales {
    GroupScales(
      scales: Tensor(uninitialized: [layout.groups]),
      zeroPoints: isSymmetric ? nil : Tensor(uninitialized: [layout.groups]))
  }

  private func check(_ scales: GroupScales, _ layout: GroupLayout) {
    precondition(
      scales.scales.count == layout.groups && (scales.zeroPoints == nil) == isSymmetric
        && (scales.zeroPoints?.count ?? layout.groups) == layout.groups,
      "Quantizer: \(layout.groups) groups\(isSymmetric ? "" : " with zero points") were expected, "
        + "\(scales.scales.count) scales came")
  }
}
