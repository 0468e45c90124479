import CGyroKernels
public import GyroTensors

/// Codes and scales of a tensor; `tensor` decodes.
///
/// Law, bit for bit: `quantizer.quantized(x).tensor == quantizer.projected(x)`.
public struct QuantizedTensor: EncodedElements {
  public let shape: Shape
  public let format: any NumberFormat
  public let granularity: Granularity
  public let scaleFormat: ScaleFormat
  /// One byte a code, in the row-major order of the tensor's elements.
  public let codes: PooledBuffer
  public let scales: GroupScales
  /// The bfloat16 units of the same values, where products run on them.
  public internal(set) var units: UnitGrid?

  package init(
    shape: Shape, format: any NumberFormat, granularity: Granularity, scaleFormat: ScaleFormat,
    codes: PooledBuffer, scales: GroupScales
  ) {
    self.shape = shape
    self.format = format
    self.granularity = granularity
    self.scaleFormat = scaleFormat
    self.codes = codes
    self.scales = scales
  }

  /// Number of codes.
  public var count: Int { shape.count }

  /// The quantizer that makes such tensors; nil when there is none.
  var quantizer: Quantizer? {
    try? Quantizer(format, granularity, scaleFormat: scaleFormat, isSymmetric: isSymmetric)
  }

  /// Whether zero is in the middle of the codes.
  public var isSymmetric: Bool { scales.zeroPoints == nil }

  /// The codes, valid while this value lives.
  public var codePointer: UnsafeMutablePointer<UInt8> {
    codes.pointer.assumingMemoryBound(to: UInt8.self)
  }

  /// All codes in the row-major order of the tensor's elements.
  public var codeArray: [UInt8] {
    withExtendedLifetime(codes) {
      Array(UnsafeBufferPointer(start: codePointer, count: shape.count))
    }
  }

  /// The values: each code's number, minus the zero point if there is one, times its scale.
  public var tensor: Tensor {
    var result = Tensor(uninitialized: shape)
    result.withMutableElements { decode(into: $0) }
    return result
  }

  /// Writes the values in row-major order.
  public func decode(into destination: UnsafeMutablePointer<Float>) {
    guard shape.count > 0 else { return }
    guard case .block = granularity else { return decodeGroups(codes, destination) }
    var groups = Tensor(uninitialized: [shape.count])
    groups.withMutableElements { decodeGroups(granularity.gathered(codes, shape), $0) }
    granularity.scattered(groups, shape).withElements {
      destination.update(from: $0, count: shape.count)
    }
  }

  private func decodeGroups(_ codes: PooledBuffer, _ destination: UnsafeMutablePointer<Float>) {
    let groups = scales.scales.count
    let table = numbers
    parts.withElements { scale in
      let run = { (zeroPoint: UnsafePointer<Float>?) in
        gyro_decode_groups(
          table, codes.pointer.assumingMemoryBound(to: UInt8.self), Int64(groups),
          Int64(shape.count / groups), scale, zeroPoint, destination)
      }
      if let zeroPoints = scales.zeroPoints { zeroPoints.withElements(run) } else { run(nil) }
    }
    let rest = scaleFormat == .e4m3 ? scales.tensorScale : 1
    if rest != 1 { for place in 0..<shape.count { destination[place] *= rest } }
  }

  /// What each of the 256 bytes stands for, before any zero point is taken away.
  package var numbers: [Float] {
    (0..<256).map { code in
      isSymmetric ? format.decode(UInt8(code)) : Float(code & ((1 << format.bits) - 1))
    }
  }

  /// What numbers are multiplied by first: scales of two levels multiply level by level.
  private var parts: Tensor {
    guard scaleFormat == .e4m3 else { return scales.scales }
    return Tensor(
      scales.scales.shape, elements: scaleFormat.scales(of: scaleFormat.codes(of: scales)))
  }
}

extension QuantizedTensor {
  private static func packing(_ shape: Shape, _ format: any NumberFormat) -> BitRows {
    BitRows(rows: shape.rows, columns: shape.columns, bits: format.bits)
  }

  /// The codes at `format.bits` bits each; every row of the last axis starts a new byte.
  public func packedCodes() -> [UInt8] {
    let mask = UInt8(truncatingIfNeeded: (1 << format.bits) - 1)
    return withExtendedLifetime(codes) {
      Self.packing(shape, format).packed(codePointer, by: (0..<256).map { UInt8($0) & mask })
    }
  }

  /// Reads what `packedCodes` wrote.
  /// - Precondition: as many bytes as the shape takes, and scales for every group.
  public init(
    unpacking bytes: [UInt8], shape: Shape, format: any NumberFormat, granularity: Granularity,
    scaleFormat: ScaleFormat = .float32, scales: GroupScales
  ) {
    let codes = PooledBuffer(byteCount: shape.count)
    Self.packing(shape, format)
      .unpack(bytes, into: codes.pointer.assumingMemoryBound(to: UInt8.self))
    self.init(
      shape: shape, format: format, granularity: granularity, scaleFormat: scaleFormat,
      codes: codes, scales: scales)
  }
}
