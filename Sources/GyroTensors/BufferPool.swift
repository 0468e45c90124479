import Glibc
import Synchronization

/// Keeps freed buffers for reuse, because a fresh page costs more than most operations on it.
///
/// It is an allocator, not state of the program: results never depend on it. Buffers are 64-byte
/// aligned and rounded up to size classes an eighth of a power of two apart, so at most 12.5 % is
/// wasted, and a request may be served by a free buffer up to a quarter larger.
final class BufferPool: Sendable {
  static let shared = BufferPool()

  private struct State {
    var free: [Int: [UInt]] = [:]  // size class → addresses
    var held = 0  // bytes lying free
    var live = 0  // bytes handed out
    var peak = 0
  }
  private let state = Mutex(State())

  /// The size class that serves a request.
  static func sizeClass(_ byteCount: Int) -> Int {
    let bytes = max(byteCount, 64)
    if bytes <= 4096 { return (bytes + 63) & ~63 }
    let step = 1 << (Int.bitWidth - 1 - bytes.leadingZeroBitCount - 3)
    return (bytes + step - 1) & ~(step - 1)
  }

  func take(_ byteCount: Int) -> (UnsafeMutableRawPointer, sizeClass: Int) {
    let size = Self.sizeClass(byteCount)
    let reused: (UInt, Int)? = state.withLock { state in
      var candidate = size
      while candidate <= size + size / 4 {
        if let address = state.free[candidate]?.popLast() {
          state.held -= candidate
          state.live += candidate
          state.peak = max(state.peak, state.live)
          return (address, candidate)
        }
        candidate = Self.sizeClass(candidate + 1)
      }
      state.live += size
      state.peak = max(state.peak, state.live)
      return nil
    }
    if let (address, candidate) = reused {
      return (UnsafeMutableRawPointer(bitPattern: address)!, candidate)
    }
    if let pointer = allocate(size) { return (pointer, size) }
    trim()
    guard let pointer = allocate(size) else {
      fatalError(
        "Gyro: out of memory: \(size >> 20) MiB more were asked for. "
          + "Try a smaller batch or sequence length, or recompute activations.")
    }
    return (pointer, size)
  }

  func give(back pointer: UnsafeMutableRawPointer, sizeClass: Int) {
    state.withLock { state in
      state.free[sizeClass, default: []].append(UInt(bitPattern: pointer))
      state.held += sizeClass
      state.live -= sizeClass
    }
  }

  /// Returns every free buffer to the operating system.
  func trim() {
    let addresses = state.withLock { state in
      let all = state.free.values.flatMap { $0 }
      state.free = [:]
      state.held = 0
      return all
    }
    for address in addresses { free(UnsafeMutableRawPointer(bitPattern: address)) }
  }

  var usage: MemoryUsage {
    state.withLock { MemoryUsage(liveBytes: $0.live, heldBytes: $0.held, peakLiveBytes: $0.peak) }
  }

  private func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
    let huge = 2 << 20
    guard size >= 2 * huge else { return aligned_alloc(64, size) }
    // Large buffers start on a huge page, which spares the translation cache.
    guard let pointer = aligned_alloc(huge, (size + huge - 1) & ~(huge - 1)) else { return nil }
    madvise(pointer, size, Int32(MADV_HUGEPAGE))
    return pointer
  }
}

/// What the tensor pool holds, in bytes.
public struct MemoryUsage: Sendable {
  /// Bytes in use by tensors.
  public let liveBytes: Int
  /// Bytes kept for reuse.
  public let heldBytes: Int
  /// The most bytes that were ever in use at once.
  public let peakLiveBytes: Int

  /// The present figures.
  public static var current: MemoryUsage { BufferPool.shared.usage }

  /// Returns buffers kept for reuse to the operating system.
  public static func trim() { BufferPool.shared.trim() }
}

/// Raw, 64-byte aligned, uninitialised memory from the pool, given back when the last owner goes.
// Unchecked: the reference never changes, and owners guard the contents.
public final class PooledBuffer: @unchecked Sendable {
  public let pointer: UnsafeMutableRawPointer
  public let byteCount: Int
  private let sizeClass: Int

  public init(byteCount: Int) {
    self.byteCount = byteCount
    (pointer, sizeClass) = BufferPool.shared.take(byteCount)
  }

  deinit { BufferPool.shared.give(back: pointer, sizeClass: sizeClass) }
}
