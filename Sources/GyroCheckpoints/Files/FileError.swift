/// What can go wrong while files are written.
public enum FileError: Error, Equatable, Sendable {
  /// The file could not be written; what was there before is untouched.
  case unwritable(path: String, reason: String)
  /// Another process works in the folder. `process` and `since` are what it wrote about itself.
  case directoryInUse(path: String, process: Int?, since: String?)
}

extension FileError: CustomStringConvertible {
  /// One or two sentences: what was expected, what came, what to try.
  public var description: String {
    switch self {
    case .unwritable(let path, let reason):
      "Expected to write \(path): \(reason). What was there before is untouched. "
        + "Check the folder, its permissions and the space left on the disk."
    case .directoryInUse(let path, let process, let since):
      "Expected \(path) to be free, but process \(process.map(String.init) ?? "unknown") "
        + "has been using it since \(since ?? "an unknown time"). "
        + "Wait for it, end it, or choose another folder."
    }
  }
}
