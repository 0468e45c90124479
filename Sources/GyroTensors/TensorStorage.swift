import Synchronization

/// The one storage class behind `Tensor`.
///
/// Elements are either present, or follow from codes or 16-bit numbers and are written when somebody
/// first looks. A product of two integer tensors never needs them, so a simulated int8 activation
/// then costs one byte an element instead of five; a model that is read to be written elsewhere
/// never needs them either. Codes stay, as the tensor's grid; 16-bit numbers go.
final class TensorStorage: @unchecked Sendable {  // what is written late is written under the lock
  let count: Int
  /// What elements follow from; nil when they are plain numbers.
  let encoded: (any EncodedElements)?
  /// The same when it is an integer grid, at hand without a cast.
  let grid: IntegerGrid?
  private let present: PooledBuffer?
  private let late: Mutex<Late>

  private struct Late {
    var memory: PooledBuffer?
    var halves: HalfElements?
  }

  init(uninitialized count: Int) {
    self.count = count
    encoded = nil
    grid = nil
    present = PooledBuffer(byteCount: count * MemoryLayout<Float>.size)
    late = Mutex(Late())
  }

  init(decoding encoded: any EncodedElements) {
    count = encoded.count
    self.encoded = encoded
    grid = encoded as? IntegerGrid
    present = nil
    late = Mutex(Late())
  }

  init(decoding halves: HalfElements) {
    count = halves.count
    encoded = nil
    grid = nil
    present = nil
    late = Mutex(Late(halves: halves))
  }

  var pointer: UnsafeMutablePointer<Float> {
    if let present { return present.pointer.assumingMemoryBound(to: Float.self) }
    let buffer = late.withLock { late in
      if let memory = late.memory { return memory }
      let fresh = PooledBuffer(byteCount: count * MemoryLayout<Float>.size)
      decode(late, into: fresh.pointer.assumingMemoryBound(to: Float.self))
      late = Late(memory: fresh)
      return fresh
    }
    return buffer.pointer.assumingMemoryBound(to: Float.self)
  }

  /// The 16-bit numbers nobody has looked at yet.
  var halves: HalfElements? { present == nil ? late.withLock(\.halves) : nil }

  /// Whether elements lie in memory.
  var isPresent: Bool { present != nil || late.withLock { $0.memory != nil } }

  /// Storage of its own for what nobody has decoded here; nil when elements lie in memory.
  func undecoded() -> TensorStorage? {
    guard present == nil else { return nil }
    let late = late.withLock { $0 }
    if late.memory != nil { return nil }
    return encoded.map { TensorStorage(decoding: $0) }
      ?? late.halves.map { TensorStorage(decoding: $0) }
  }

  /// Writes all elements without keeping them here.
  func decode(into destination: UnsafeMutablePointer<Float>) {
    let late = late.withLock { $0 }
    if let memory = present ?? late.memory {
      destination.update(from: memory.pointer.assumingMemoryBound(to: Float.self), count: count)
    } else {
      decode(late, into: destination)
    }
  }

  private func decode(_ late: Late, into destination: UnsafeMutablePointer<Float>) {
    if let halves = late.halves {
      halves.decode(0..<count, into: destination)
    } else {
      encoded!.decode(into: destination)
    }
  }
}
