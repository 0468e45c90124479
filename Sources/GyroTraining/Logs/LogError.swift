/// What can go wrong with a run's logs.
public enum LogError: Error, Equatable, Sendable {
  /// The file could not be opened, read or written.
  case unusableFile(path: String, reason: String)
  /// A line of a metrics file that is to be continued is not one of ours.
  case malformedLine(path: String, line: Int)
}

extension LogError: CustomStringConvertible {
  /// One or two sentences: what was expected, what came, what to try.
  public var description: String {
    switch self {
    case .unusableFile(let path, let reason):
      "Expected to write \(path): \(reason). Check the folder, its permissions and the space left."
    case .malformedLine(let path, let line):
      "\(path), line \(line): expected a JSON object with a whole number as 'step'. "
        + "Move the file away, or start in another folder."
    }
  }
}
