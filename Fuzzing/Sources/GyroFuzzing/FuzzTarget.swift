/// One parser under test: what bytes mean to it, and what it has to do with any bytes at all.
///
/// The law: an input is taken, or refused with an error of one of the library's own types; it never
/// traps, and takes neither more time nor more memory than `Limits` allow.
public struct FuzzTarget: Sendable {
  /// How mutations see an input.
  public enum Shape: Sendable {
    case json
    /// `u64 length | JSON | data`.
    case safetensors
    case yaml
    /// Tables of little-endian numbers and strings.
    case binary
    /// Protocol buffers.
    case protobuf
    /// `u16 length | first | second`, two files of one folder.
    indirect case pair(Shape, Shape)
  }

  /// The name on the command line and of the folder in the corpus.
  public let name: String
  public let shape: Shape
  /// Inputs to begin with: small, and valid.
  public let seeds: @Sendable () throws -> [(name: String, bytes: [UInt8])]
  /// Reads one input and uses what was read. A thrown error is a refusal.
  public let read: @Sendable ([UInt8], ScratchFolder) throws -> Void

  /// All targets, in the order of the documentation.
  public static let all: [FuzzTarget] = [
    .safetensors, .safetensorsIndex, .tokenizer, .languageConfiguration, .imageCheckpoint,
    .recipe, .quantizedCheckpoint, .gguf, .onnx, .compressedTensors, .mlx, .plain,
  ]
}
