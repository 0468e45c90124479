/// Memory of a cache: zeros at first, 64-byte aligned, copied when shared and written.
///
/// It is allocated for all tokens a cache can hold, so that its size is what the cache occupies and
/// pointers into it stay put. Kernels may read up to 64 bytes past the end.
public struct CacheBuffer<Element: BitwiseCopyable & Sendable>: Sendable {
  private final class Storage: @unchecked Sendable {
    let pointer: UnsafeMutablePointer<Element>
    let raw: UnsafeMutableRawPointer

    init(count: Int) {
      let size = count * MemoryLayout<Element>.stride + 64
      raw = .allocate(byteCount: size, alignment: 64)
      raw.initializeMemory(as: UInt8.self, repeating: 0, count: size)
      pointer = raw.assumingMemoryBound(to: Element.self)
    }

    deinit { raw.deallocate() }
  }

  /// Number of elements.
  public let count: Int
  private var storage: Storage

  public init(count: Int) {
    self.count = count
    storage = Storage(count: count)
  }

  /// Bytes occupied.
  public var byteCount: Int { count * MemoryLayout<Element>.stride }

  /// Calls `body` with the elements.
  public func read<Result, Failure>(
    _ body: (UnsafePointer<Element>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    defer { withExtendedLifetime(storage) {} }
    return try body(UnsafePointer(storage.pointer))
  }

  /// Calls `body` with the elements for writing, after making them this buffer's own.
  public mutating func write<Result, Failure>(
    _ body: (UnsafeMutablePointer<Element>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let pointer = pointerForWriting()
    defer { withExtendedLifetime(storage) {} }
    return try body(pointer)
  }

  /// The elements for writing, after making them this buffer's own; good until the buffer is copied
  /// or goes.
  public mutating func pointerForWriting() -> UnsafeMutablePointer<Element> {
    if !isKnownUniquelyReferenced(&storage) {
      let copy = Storage(count: count)
      copy.pointer.update(from: storage.pointer, count: count)
      storage = copy
    }
    return storage.pointer
  }

  /// All elements as bytes, in the machine's order.
  public var contents: [UInt8] {
    Array(UnsafeRawBufferPointer(start: storage.raw, count: byteCount))
  }

  /// Replaces all elements by bytes that `contents` gave; their number must be `byteCount`.
  public mutating func setContents(_ bytes: [UInt8]) {
    precondition(
      bytes.count == byteCount, "CacheBuffer: \(byteCount) bytes expected, \(bytes.count) given")
    let size = byteCount
    write { pointer in
      bytes.withUnsafeBytes { source in
        UnsafeMutableRawBufferPointer(start: pointer, count: size).copyMemory(from: source)
      }
    }
  }
}
