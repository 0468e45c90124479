import Foundation

/// A file that grows by whole records, each given to the system in one piece, so that a killed
/// process leaves at most the last record torn.
final class LogFile {
  private let path: String
  private let descriptor: Int32

  /// Opens a file for appending, creating it when it is not there.
  init(appendingTo url: URL) throws(LogError) {
    path = url.path
    let opened = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
    guard opened >= 0 else {
      throw .unusableFile(path: path, reason: String(cString: strerror(errno)))
    }
    descriptor = opened
  }

  deinit { close(descriptor) }

  /// Appends one record. When it does not fit on the disk, what was written of it is taken back.
  func append(_ record: [UInt8]) throws(LogError) {
    let size = lseek(descriptor, 0, SEEK_END)
    var done = 0
    while done < record.count {
      let count = record.withUnsafeBytes { raw in
        write(descriptor, raw.baseAddress! + done, raw.count - done)
      }
      if count < 0, errno == EINTR { continue }
      if count < 0 {
        let reason = String(cString: strerror(errno))
        if size >= 0 { ftruncate(descriptor, size) }
        throw .unusableFile(path: path, reason: reason)
      }
      done += count
    }
  }
}
