package import Foundation

/// A file open for reading at any place, which notices when somebody changes it meanwhile.
///
/// It is read with `pread`, not mapped: a mapped file that is cut while in use kills the process
/// with SIGBUS, and one that is rewritten changes a model under its owner's hands; what is read
/// fails at once, as an error, or never. The price is small: 16-bit numbers are kept as they are, so
/// a model takes as much memory as its file, mapped or read, and copying costs a fraction of what
/// the disk does.
package final class InputFile: Sendable {
  package let path: String
  package let byteCount: Int
  private let descriptor: Int32
  private let modified: timespec

  package init(_ url: URL) throws(CheckpointError) {
    path = url.path
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw .unreadableFile(file: path, reason: String(cString: strerror(errno)))
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      let isFolder = status.st_mode & S_IFMT == S_IFDIR
      throw .unreadableFile(
        file: path, reason: isFolder ? "it is a folder" : "it is no regular file")
    }
    byteCount = Int(status.st_size)
    modified = status.st_mtim
  }

  deinit { close(descriptor) }

  /// Fills `buffer` from `offset` on.
  package func read(
    _ buffer: UnsafeMutableRawBufferPointer, at offset: Int
  ) throws(CheckpointError) {
    var done = 0
    while done < buffer.count {
      let count = pread(
        descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
      if count < 0 {
        if errno == EINTR { continue }
        throw .unreadableFile(file: path, reason: String(cString: strerror(errno)))
      }
      if count == 0 { throw .changedFile(file: path) }
      done += count
    }
  }

  /// The bytes from `offset` on.
  package func bytes(at offset: Int, count: Int) throws(CheckpointError) -> [UInt8] {
    var outcome: Result<Void, CheckpointError> = .success(())
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      let raw = UnsafeMutableRawBufferPointer(
        rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count])
      outcome = Result { () throws(CheckpointError) in try read(raw, at: offset) }
      initialized = count
    }
    try outcome.get()
    return bytes
  }

  /// Makes sure that size and time of modification are what they were at opening.
  package func checkUnchanged() throws(CheckpointError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0, Int(status.st_size) == byteCount,
      status.st_mtim.tv_sec == modified.tv_sec, status.st_mtim.tv_nsec == modified.tv_nsec
    else { throw .changedFile(file: path) }
  }
}
