public import Foundation

/// A folder in memory whose files are rewritten for every input.
public final class ScratchFolder: @unchecked Sendable {
  public let url: URL
  private var descriptors: [String: Int32] = [:]

  /// Makes the folder; the process removes it with ``remove()``.
  public init() {
    let shared =
      FileManager.default.fileExists(atPath: "/dev/shm")
      ? "/dev/shm"
      : FileManager.default.temporaryDirectory.path
    url = URL(filePath: "\(shared)/gyro-fuzz-\(getpid())", directoryHint: .isDirectory)
    try! FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  /// Writes a file and gives its place. Only one thread may use a folder.
  public func write(_ bytes: some Collection<UInt8>, to name: String) -> URL {
    let file = url.appendingPathComponent(name)
    let descriptor = descriptors[name] ?? open(file.path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    precondition(descriptor >= 0, "ScratchFolder: cannot write \(file.path)")
    descriptors[name] = descriptor
    ftruncate(descriptor, 0)
    let array = Array(bytes)
    var done = 0
    array.withUnsafeBytes { raw in
      while done < raw.count {
        let count = pwrite(descriptor, raw.baseAddress! + done, raw.count - done, off_t(done))
        precondition(count > 0, "ScratchFolder: cannot write \(file.path)")
        done += count
      }
    }
    return file
  }

  public func remove() { try? FileManager.default.removeItem(at: url) }
}
