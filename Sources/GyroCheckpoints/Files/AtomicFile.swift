public import Foundation

/// A file written whole or not at all.
///
/// Bytes go to a hidden temporary file in the same folder; ``commit()`` flushes it to the disk,
/// renames it over the target and flushes the folder. Before that, whatever happens (an error, a
/// full disk, a crash) the target keeps its old content; dropping the object uncommitted removes
/// the temporary. Its name follows from the target's, so one left behind by a killed process is
/// reused, not collected; writers of the same target take turns through a lock on it.
public final class AtomicFile {
  private let target: String, temporary: String
  private var descriptor: Int32 = -1

  /// Begins to replace (or create) the file at `url`. A symbolic link is followed.
  ///
  /// - Throws: ``FileError`` when the folder does not exist or cannot be written, or when the
  ///   target is there but no regular file.
  public init(replacing url: URL) throws(FileError) {
    let path = url.path
    let resolved = realpath(path, nil)
    target = resolved.map { String(cString: $0) } ?? path
    free(resolved)
    let name = (target as NSString).lastPathComponent
    let folder = (target as NSString).deletingLastPathComponent
    temporary = (folder as NSString).appendingPathComponent(".\(name).partial")

    var status = stat()
    let exists = stat(target, &status) == 0
    if exists, status.st_mode & S_IFMT != S_IFREG {
      throw .unwritable(path: target, reason: "it is there, but is no regular file")
    }
    descriptor = try openExclusively()
    if exists { fchmod(descriptor, status.st_mode & 0o777) }
    guard ftruncate(descriptor, 0) == 0 else { throw failure() }
  }

  deinit {
    guard descriptor >= 0 else { return }
    unlink(temporary)
    close(descriptor)
  }

  /// Appends bytes.
  ///
  /// - Throws: ``FileError`` when they cannot all be written.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    precondition(descriptor >= 0, "AtomicFile.write: \(target) is committed already")
    var rest = bytes
    while !rest.isEmpty {
      let written = Foundation.write(descriptor, rest.baseAddress, rest.count)
      if written < 0 {
        if errno == EINTR { continue }
        throw failure()
      }
      rest = UnsafeRawBufferPointer(rebasing: rest[written...])
    }
  }

  /// Appends bytes.
  public func write(_ bytes: [UInt8]) throws(FileError) {
    let outcome: Result<Void, FileError> = bytes.withUnsafeBytes { raw in
      Result { () throws(FileError) in try write(raw) }
    }
    try outcome.get()
  }

  /// Puts the new content in the target's place. After this the object is spent.
  ///
  /// - Throws: ``FileError`` when the content did not reach the disk; the target is then untouched.
  public func commit() throws(FileError) {
    precondition(descriptor >= 0, "AtomicFile.commit: \(target) is committed already")
    guard fsync(descriptor) == 0, rename(temporary, target) == 0 else { throw failure() }
    close(descriptor)
    descriptor = -1
    // The rename is done; a folder that cannot be flushed (some file systems) is no failure.
    let folder = open((target as NSString).deletingLastPathComponent, O_RDONLY | O_CLOEXEC)
    if folder >= 0 {
      fsync(folder)
      close(folder)
    }
  }

  /// Replaces (or creates) a file by these bytes.
  public static func write(_ bytes: [UInt8], to url: URL) throws(FileError) {
    let file = try AtomicFile(replacing: url)
    try file.write(bytes)
    try file.commit()
  }

  /// Replaces (or creates) a file by this text, in UTF-8.
  public static func write(_ text: String, to url: URL) throws(FileError) {
    try write(Array(text.utf8), to: url)
  }

  /// Opens the temporary and locks it. The writer before may have renamed it while this one
  /// waited, so the name must still lead to what was locked.
  private func openExclusively() throws(FileError) -> Int32 {
    while true {
      let opened = open(temporary, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o666)
      if opened < 0 { throw failure() }
      while flock(opened, LOCK_EX) != 0, errno == EINTR {}
      var mine = stat()
      var named = stat()
      if fstat(opened, &mine) == 0, stat(temporary, &named) == 0, mine.st_ino == named.st_ino,
        mine.st_dev == named.st_dev
      {
        return opened
      }
      close(opened)
    }
  }

  private func failure() -> FileError {
    .unwritable(path: target, reason: String(cString: strerror(errno)))
  }
}
