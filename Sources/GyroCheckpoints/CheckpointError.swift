/// What can be wrong with a checkpoint. Each case carries what was expected and what was found;
/// ``description`` adds what to try.
public enum CheckpointError: Error, Equatable, Sendable {
  /// The file does not exist, is no regular file or cannot be read.
  case unreadableFile(file: String, reason: String)
  /// The file was written to or cut while it was open.
  case changedFile(file: String)
  /// The header (or index) is not what the format asks for; `byte` counts from the start of the
  /// header, from zero.
  case malformedHeader(file: String, byte: Int?, expected: String, found: String)
  /// A name stands twice in one JSON object of the header or index.
  case duplicateName(file: String, name: String)
  /// One tensor's entry contradicts the format or the file.
  case malformedTensor(file: String, tensor: String, expected: String, found: String)
  /// A tensor's extents are not those that `config.json` leads to.
  case wrongShape(file: String, tensor: String, expected: String, found: String)
  /// The file has no tensor of that name; `nearest` are names that look like it.
  case missingTensor(file: String, tensor: String, nearest: [String])
  /// The tensor is there, but not of a type that serves the request.
  case wrongScalarType(file: String, tensor: String, expected: String, found: String)
  /// A value cannot be written as the type asked for.
  case unrepresentableValue(tensor: String, type: String, value: String)
  /// The tokenizer has ids that the model's table has no rows for.
  case vocabularyTooSmall(directory: String, tokens: Int, rows: Int)
  /// A folder holds neither a checkpoint nor an index of one.
  case noCheckpoint(directory: String, found: [String])
}

extension CheckpointError: CustomStringConvertible {
  /// One or two sentences: what was expected, what was found, what to try.
  public var description: String {
    switch self {
    case .unreadableFile(let file, let reason):
      "Expected a readable file at \(file): \(reason). Check the path and its permissions."
    case .changedFile(let file):
      "Expected \(file) to stay as it was while being read, but it changed. "
        + "Wait until whatever writes it is done, then try again."
    case .malformedHeader(let file, let byte, let expected, let found):
      "\(file)\(byte.map { ", header byte \($0)" } ?? ""): expected \(expected), found \(found). "
        + "The download may be incomplete, or a pointer to a file that was not downloaded."
    case .duplicateName(let file, let name):
      "\(file): expected every name once, found '\(name)' twice. Write the file again with "
        + "different names."
    case .malformedTensor(let file, let tensor, let expected, let found):
      "\(file), tensor '\(tensor)': expected \(expected), found \(found). "
        + "The file is damaged; fetch or export it again."
    case .wrongShape(let file, let tensor, let expected, let found):
      "\(file), tensor '\(tensor)': config.json leads to shape \(expected), the file has \(found). "
        + "They belong to different models, or config.json was edited."
    case .missingTensor(let file, let tensor, let nearest):
      "\(file): expected a tensor '\(tensor)', found none"
        + (nearest.isEmpty ? "." : "; nearest: \(nearest.joined(separator: ", ")).")
        + " Check that the file belongs to this architecture."
    case .wrongScalarType(let file, let tensor, let expected, let found):
      "\(file), tensor '\(tensor)': expected \(expected), found \(found). "
        + "Read it as what it is, or convert the file."
    case .unrepresentableValue(let tensor, let type, let value):
      "Tensor '\(tensor)': expected values that \(type) can hold, found \(value). "
        + "Choose a wider type."
    case .vocabularyTooSmall(let directory, let tokens, let rows):
      "\(directory): the tokenizer has \(tokens) tokens, the model's embedding only \(rows) rows. "
        + "They belong to different models; take tokenizer.json from the model's own folder."
    case .noCheckpoint(let directory, let found):
      "Expected model.safetensors or model.safetensors.index.json in \(directory), found "
        + (found.isEmpty ? "nothing like it" : found.joined(separator: ", "))
        + ". Convert other checkpoints to safetensors first."
    }
  }
}
