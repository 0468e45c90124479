public import Foundation

/// Keeps a folder to one process: held as long as the object lives, given up by the system when
/// the process ends, however it ends.
///
/// The lock is `flock` on the file `.gyro-lock` in the folder, which stays there and says who holds
/// or last held it.
public final class DirectoryLock: Sendable {
  /// The locked folder.
  public let directory: URL
  private let descriptor: Int32

  /// Takes the lock at once or not at all.
  ///
  /// - Parameter now: the time written into the lock file.
  /// - Throws: ``FileError/directoryInUse(path:process:since:)`` when somebody else holds it,
  ///   ``FileError/unwritable(path:reason:)`` when the folder cannot be written.
  public init(_ directory: URL, now: Date = Date()) throws(FileError) {
    let path = directory.appendingPathComponent(".gyro-lock").path
    let opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
    guard opened >= 0 else {
      throw .unwritable(path: path, reason: String(cString: strerror(errno)))
    }
    guard flock(opened, LOCK_EX | LOCK_NB) == 0 else {
      let reason = errno
      let (process, since) = Self.holder(opened)
      close(opened)
      if reason == EWOULDBLOCK {
        throw .directoryInUse(path: directory.path, process: process, since: since)
      }
      throw .unwritable(path: path, reason: String(cString: strerror(reason)))
    }
    let text = "process \(getpid())\nsince \(now.ISO8601Format())\n"
    ftruncate(opened, 0)
    pwrite(opened, text, text.utf8.count, 0)
    self.directory = directory
    descriptor = opened
  }

  deinit {
    // Unlocked by name: a child process that is just being started may hold the file open too, and
    // closing ours alone would leave the folder locked until that child has its own program.
    flock(descriptor, LOCK_UN)
    close(descriptor)
  }

  private static func holder(_ descriptor: Int32) -> (process: Int?, since: String?) {
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    let lines = String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self).split(separator: "\n")
    func value(_ key: String) -> String? {
      lines.first { $0.hasPrefix(key + " ") }.map { String($0.dropFirst(key.count + 1)) }
    }
    return (value("process").flatMap { Int($0) }, value("since"))
  }
}
