import CZlib

/// Inflates gzip data piece by piece, so that no more is ever inflated than was asked for.
final class GzipReader {
  /// Why reading stopped short.
  enum Failure: Error { case damaged, truncated }

  private let input: UnsafeMutableBufferPointer<UInt8>
  /// zlib's state points back at the stream, so the stream must not move.
  private let stream: UnsafeMutablePointer<z_stream>
  private var isAtEnd = false

  init(_ bytes: [UInt8]) {
    input = .allocate(capacity: bytes.count)
    _ = input.initialize(from: bytes)
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    stream.pointee.next_in = input.baseAddress
    stream.pointee.avail_in = 0
    let status = inflateInit2_(
      stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    precondition(status == Z_OK, "zlib: inflateInit2 gave \(status)")
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
    input.deallocate()
  }

  /// The next `count` bytes, or fewer when the data end before. Memory grows with what was really
  /// inflated, not with what was asked for.
  func read(_ count: Int) throws(Failure) -> [UInt8] {
    var result: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: min(count, 1 << 18))
    while result.count < count, !isAtEnd {
      let wanted = min(count - result.count, piece.count)
      let (status, produced) = piece.withUnsafeMutableBufferPointer { buffer in
        refill()
        stream.pointee.next_out = buffer.baseAddress
        stream.pointee.avail_out = UInt32(wanted)
        let status = inflate(stream, Z_NO_FLUSH)
        return (status, wanted - Int(stream.pointee.avail_out))
      }
      result += piece[..<produced]
      switch status {
      case Z_OK: break
      case Z_BUF_ERROR where remaining == 0: throw .truncated
      case Z_STREAM_END:
        if remaining == 0 {
          isAtEnd = true
        } else if inflateReset(stream) != Z_OK {  // another member follows
          throw .damaged
        }
      default: throw .damaged
      }
    }
    return result
  }

  /// Bytes of input that zlib has not taken.
  private var remaining: Int {
    input.count - (stream.pointee.next_in - input.baseAddress!)
  }

  private func refill() { stream.pointee.avail_in = UInt32(min(remaining, 1 << 30)) }
}
