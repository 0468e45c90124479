import CGyroKernels

/// A Float32 array with a shape: a value type over shared, copy-on-write storage.
///
/// ```
/// shape [2, 3], contiguous            transposed view: same storage, other strides
/// storage: a b c d e f                shape [3, 2], strides [1, 3]
/// ```
/// Assigning a tensor shares its storage; writing to one copies first if the storage is shared, so
/// a snapshot, a teacher or a moving average is an assignment. Views (`transposed`, `sliced`,
/// `reshaped`) never copy; `contiguous()` is the one place where a view becomes a plain array.
public struct Tensor: Sendable {
  /// The extents.
  public let shape: Shape
  var storage: TensorStorage
  var offset: Int
  /// Element strides per axis, or nil when the elements lie in row-major order.
  var viewStrides: [Int]?

  init(shape: Shape, storage: TensorStorage, offset: Int = 0, viewStrides: [Int]? = nil) {
    self.shape = shape
    self.storage = storage
    self.offset = offset
    self.viewStrides = viewStrides
  }

  // MARK: Making tensors

  /// Memory that has not been written; fill every element before reading any.
  public init(uninitialized shape: Shape) {
    self.init(shape: shape, storage: TensorStorage(uninitialized: shape.count))
  }

  /// A tensor of `elements` in row-major order; their number must be `shape.count`.
  public init(_ shape: Shape, elements: [Float]) {
    precondition(
      elements.count == shape.count,
      "Tensor: shape \(shape) has \(shape.count) elements, \(elements.count) were given")
    self.init(uninitialized: shape)
    elements.withUnsafeBufferPointer { source in
      if let base = source.baseAddress { storage.pointer.update(from: base, count: source.count) }
    }
  }

  /// Every element is `value`.
  public init(_ shape: Shape, repeating value: Float) {
    self.init(uninitialized: shape)
    storage.pointer.update(repeating: value, count: shape.count)
  }

  /// Every element is zero.
  public static func zeros(_ shape: Shape) -> Tensor { Tensor(shape, repeating: 0) }

  /// Every element is one.
  public static func ones(_ shape: Shape) -> Tensor { Tensor(shape, repeating: 1) }

  /// A tensor without axes.
  public init(scalar value: Float) { self.init(Shape([]), elements: [value]) }

  /// A tensor on an integer grid. Its float elements are written when first looked at.
  public init(_ shape: Shape, on grid: IntegerGrid) {
    precondition(
      shape.count == grid.rows * grid.columns,
      "Tensor: shape \(shape) does not hold \(grid.rows)×\(grid.columns) codes")
    self.init(shape: shape, storage: TensorStorage(decoding: grid))
  }

  /// A tensor that follows from codes and remembers them. Its float elements are written when first
  /// looked at.
  public init(_ shape: Shape, decoding encoded: some EncodedElements) {
    precondition(
      shape.count == encoded.count,
      "Tensor: shape \(shape) has \(shape.count) elements, \(encoded.count) are encoded")
    self.init(shape: shape, storage: TensorStorage(decoding: encoded))
  }

  /// Makes a tensor by filling fresh memory: `body` must write all `shape.count` elements.
  public static func filled(
    _ shape: Shape, _ body: (UnsafeMutablePointer<Float>) throws -> Void
  ) rethrows -> Tensor {
    let result = Tensor(uninitialized: shape)
    try body(result.storage.pointer)
    return result
  }

  // MARK: Looking at tensors

  /// Number of elements.
  public var count: Int { shape.count }

  /// Whether elements lie in row-major order without gaps.
  public var isContiguous: Bool { viewStrides == nil }

  /// Distance in elements between neighbours along each axis.
  public var strides: [Int] { viewStrides ?? shape.contiguousStrides }

  /// The integer codes, when this tensor lies on a grid of whole numbers, with one scale for each
  /// row of the last axis. Rows cut from a longer row of the grid share its scale.
  public var grid: IntegerGrid? { wholeGrid?.cut(toColumns: shape.columns) }

  /// The integer codes of the whole tensor, however its rows are cut: a convolution's kernel
  /// `[out, in, height, width]` has `out` rows, a tensor with a single scale has one.
  public var wholeGrid: IntegerGrid? { isWhole ? storage.grid : nil }

  /// What the elements of the whole tensor follow from, under whatever shape; nil for plain numbers,
  /// for a part of a tensor and for elements in another order.
  public var encoded: (any EncodedElements)? { isWhole ? storage.encoded : nil }

  /// Whether this tensor is all of its storage, in order.
  var isWhole: Bool { isContiguous && offset == 0 && shape.count == storage.count }

  /// All elements in row-major order.
  public var elements: [Float] {
    withElements { Array(UnsafeBufferPointer(start: $0, count: count)) }
  }

  /// The only element of a tensor that has one.
  public var item: Float {
    precondition(count == 1, "Tensor.item: shape \(shape) has \(count) elements, not one")
    return storage.pointer[offset]
  }

  /// One element by its indices.
  public subscript(indices: Int...) -> Float {
    precondition(indices.count == shape.rank, "Tensor: \(indices) does not index shape \(shape)")
    var place = offset
    for (axis, (index, stride)) in zip(indices, strides).enumerated() {
      precondition(
        index >= 0 && index < shape.dimensions[axis], "Tensor: \(indices) is outside \(shape)")
      place += index * stride
    }
    return storage.pointer[place]
  }

  /// Calls `body` with the elements in row-major order (a strided view is copied first).
  @inline(__always)
  public func withElements<Result>(
    _ body: (UnsafePointer<Float>) throws -> Result
  ) rethrows -> Result {
    if isContiguous {
      return try withExtendedLifetime(storage) { try body(UnsafePointer(storage.pointer + offset)) }
    }
    let copy = contiguous()
    return try withExtendedLifetime(copy.storage) { try body(UnsafePointer(copy.storage.pointer)) }
  }

  /// Calls `body` with the elements for writing, after making the storage this tensor's own.
  public mutating func withMutableElements<Result>(
    _ body: (UnsafeMutablePointer<Float>) throws -> Result
  ) rethrows -> Result {
    if !isContiguous || storage.encoded != nil || !isKnownUniquelyReferenced(&storage) {
      self = copied()
    }
    return try body(storage.pointer + offset)
  }

  /// Whether a write would need no copy.
  public mutating func isUnique() -> Bool {
    isContiguous && storage.encoded == nil && isKnownUniquelyReferenced(&storage)
  }

  /// This tensor in row-major order: itself when it is already, else a copy.
  public func contiguous() -> Tensor { isContiguous ? self : copied() }

  /// Whether reading elements decodes nothing.
  public var isPresent: Bool { storage.isPresent }

  /// The same tensor, codes and all; what has to be decoded to read it is decoded for the copy alone,
  /// and goes with it. The tensor itself where nothing has to be.
  public func decodingApart() -> Tensor {
    guard isWhole, let fresh = storage.undecoded() else { return self }
    return Tensor(shape: shape, storage: fresh)
  }

  /// A copy in storage of its own, in row-major order, without codes. What follows from codes or
  /// 16-bit numbers is decoded into the copy alone.
  public func copied() -> Tensor {
    let result = Tensor(uninitialized: shape)
    if isWhole {
      storage.decode(into: result.storage.pointer)
    } else if isContiguous {
      result.storage.pointer.update(from: storage.pointer + offset, count: count)
    } else {
      let extents = shape.dimensions.map(Int64.init)
      let steps = strides.map(Int64.init)
      gyro_copy_strided(
        storage.pointer + offset, extents, steps, Int32(shape.rank), result.storage.pointer)
    }
    return result
  }
}
