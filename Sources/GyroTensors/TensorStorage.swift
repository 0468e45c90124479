import Synchronization

/// The one storage class behind `Tensor`.
///
/// Elements are either present, or follow from codes and are written when somebody first looks: a
/// product of two integer tensors never needs them, so a simulated int8 activation then costs one
/// byte an element instead of five.
final class TensorStorage: @unchecked Sendable {  // `memory` is written once, under the lock
  let count: Int
  /// What elements follow from; nil when they are plain numbers.
  let encoded: (any EncodedElements)?
  /// The same when it is an integer grid, at hand without a cast.
  let grid: IntegerGrid?
  private let memory: Mutex<PooledBuffer?>
  private let present: PooledBuffer?

  init(uninitialized count: Int) {
    self.count = count
    encoded = nil
    grid = nil
    present = PooledBuffer(byteCount: count * MemoryLayout<Float>.size)
    memory = Mutex(nil)
  }

  init(decoding encoded: any EncodedElements) {
    count = encoded.count
    self.encoded = encoded
    grid = encoded as? IntegerGrid
    present = nil
    memory = Mutex(nil)
  }

  var pointer: UnsafeMutablePointer<Float> {
    if let present { return present.pointer.assumingMemoryBound(to: Float.self) }
    let buffer = memory.withLock { memory in
      if let memory { return memory }
      let fresh = PooledBuffer(byteCount: count * MemoryLayout<Float>.size)
      encoded!.decode(into: fresh.pointer.assumingMemoryBound(to: Float.self))
      memory = fresh
      return fresh
    }
    return buffer.pointer.assumingMemoryBound(to: Float.self)
  }
}
