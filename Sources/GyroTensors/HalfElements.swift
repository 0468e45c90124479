import CGyroKernels

/// Numbers of 16 bits as a file holds them. A tensor made of them takes half the memory until
/// somebody looks at its elements; from then on it is a plain Float32 tensor.
///
/// Unlike `EncodedElements` they are no grid that a tensor remembers: every Float32 they stand for
/// is exact, and whether they have been decoded shows nowhere but in memory.
public struct HalfElements: Sendable {
  public enum Format: Sendable, Hashable {
    /// IEEE half precision.
    case float16
    /// The upper half of a Float32.
    case bfloat16
  }

  public let format: Format
  /// Number of elements.
  public let count: Int
  /// Two bytes an element, little-endian, in row-major order.
  public let bits: PooledBuffer

  /// - Precondition: `bits` holds `count` elements.
  public init(_ format: Format, count: Int, bits: PooledBuffer) {
    precondition(
      bits.byteCount >= 2 * count, "HalfElements: \(count) elements in \(bits.byteCount) bytes")
    self.format = format
    self.count = count
    self.bits = bits
  }

  /// Writes the elements of a range as Float32.
  func decode(_ range: Range<Int>, into destination: UnsafeMutablePointer<Float>) {
    gyro_convert_to_float(
      bits.pointer + 2 * range.lowerBound, format == .float16 ? gyro_float16 : gyro_bfloat16,
      Int64(range.count), destination)
  }
}

extension Tensor {
  /// A tensor of 16-bit numbers, decoded when somebody first looks at its elements.
  public init(_ shape: Shape, decoding halves: HalfElements) {
    precondition(
      shape.count == halves.count,
      "Tensor: shape \(shape) has \(shape.count) elements, \(halves.count) are stored")
    self.init(shape: shape, storage: TensorStorage(decoding: halves))
  }

  /// The 16-bit numbers this tensor still consists of; nil once its elements have been looked at,
  /// for a part of a tensor and for elements in another order.
  public var halfElements: HalfElements? { isWhole ? storage.halves : nil }

  /// Calls `body` with the elements in row-major order, piece after piece of at most `length`.
  ///
  /// What has to be decoded for this is not kept: writing a model to a file takes no more memory
  /// than the model and a piece of it (or the largest tensor, where elements follow from codes).
  public func forEachPiece(
    of length: Int = 1 << 20, _ body: (UnsafeBufferPointer<Float>) throws -> Void
  ) rethrows {
    precondition(length > 0, "Tensor.forEachPiece: pieces of \(length) elements")
    let halves = isContiguous ? storage.halves : nil
    let source = halves == nil && !isPresent ? copied() : self
    let scratch = halves.map { _ in PooledBuffer(byteCount: 4 * min(length, max(count, 1))) }
    for start in stride(from: 0, to: count, by: length) {
      let piece = min(length, count - start)
      if let halves, let scratch {
        let pointer = scratch.pointer.assumingMemoryBound(to: Float.self)
        halves.decode(offset + start..<offset + start + piece, into: pointer)
        try body(UnsafeBufferPointer(start: pointer, count: piece))
      } else {
        try source.withElements {
          try body(UnsafeBufferPointer(start: $0 + start, count: piece))
        }
      }
    }
  }
}
