/// What can go wrong when a model is exported or an export is read.
public enum ExportError: Error, Equatable, Sendable {
  /// Stored numbers would not be the trained ones.
  case lossy(format: String, path: String, storage: String, signalToNoise: Double, count: Int)
  /// The format cannot carry something the model needs.
  case impossible(format: String, path: String, what: String, because: String, instead: String)
  /// No exporter has the name.
  case unknownFormat(String, known: [String])
  /// The exporter has no such storage type.
  case unknownStorage(String, format: String, known: [String])
  /// Nobody recognizes the file or folder.
  case unrecognized(path: String, known: [String])
  /// A file in the format is damaged or hostile; `place` says where.
  case malformed(file: String, place: String, expected: String, found: String)
  /// A file is well formed but uses something this reader does not know.
  case unsupported(file: String, what: String, supported: String)
}

extension ExportError: CustomStringConvertible {
  /// One or two sentences: what was expected, what came, what to try.
  public var description: String {
    switch self {
    case .lossy(let format, let path, let storage, let signalToNoise, let count):
      "\(format): \(count) tensors cannot be stored as they were trained; the worst is '\(path)' as "
        + "\(storage), \(decimal(signalToNoise)) dB signal over noise. Choose a scheme the format "
        + "carries exactly ('gyro export --list'), or accept the loss with --allow-lossy."
    case .impossible(let format, let path, let what, let reason, let instead):
      "\(format) cannot carry \(what) at '\(path)': \(reason). \(instead)"
    case .unknownFormat(let name, let known):
      "there is no export format '\(name)'; there are \(known.joined(separator: ", "))"
    case .unknownStorage(let name, let format, let known):
      "\(format) has no storage type '\(name)'; it has "
        + (known.isEmpty ? "none to choose from" : known.joined(separator: ", "))
    case .unrecognized(let path, let known):
      "\(path): expected a checkpoint or an export (\(known.joined(separator: ", "))), found neither."
    case .malformed(let file, let place, let expected, let found):
      "\(file), \(place): expected \(expected), found \(found). The file is damaged or incomplete; "
        + "fetch or export it again."
    case .unsupported(let file, let what, let supported):
      "\(file): \(what) is not supported; supported: \(supported)."
    }
  }

  private func decimal(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
}
