import Foundation
import GyroModels

/// Metadata keys of our own. Other programs pass over them; they make a file that was written here
/// read back as the model it was written from.
enum GGUFKeys {
  /// The scheme, as JSON, and its fingerprint.
  static let scheme = "gyro.scheme"
  static let fingerprint = "gyro.fingerprint"
  /// The model's `config.json`.
  static let configuration = "gyro.config"
  /// `tokenizer.json` without vocabulary and merges, which stand under `tokenizer.ggml`.
  static let tokenizer = "gyro.tokenizer"

  /// Float32 numbers that quantizers of activations keep, and their extents.
  static func state(_ path: ParameterPath) -> String { "gyro.state.\(path)" }
  static func stateShape(_ path: ParameterPath) -> String { "gyro.state_shape.\(path)" }
  /// Scales of a weight that is stored as plain numbers: Float32, little-endian, in base 64.
  static func scales(_ path: ParameterPath) -> String { "gyro.scales.\(path)" }
  /// The second level of two-level scales of such a weight.
  static func tensorScale(_ path: ParameterPath) -> String { "gyro.tensor_scale.\(path)" }
  /// Zero points where the file has none: one byte each, in base 64.
  static func zeroPoints(_ path: ParameterPath) -> String { "gyro.zero_points.\(path)" }
  /// The levels of a codebook, or the exponent and mantissa bits of a float, learned for a weight.
  static func levels(_ path: ParameterPath) -> String { "gyro.levels.\(path)" }
  static func split(_ path: ParameterPath) -> String { "gyro.split.\(path)" }

  /// Bytes as text, which readers take in one piece, unlike arrays.
  static func text(_ bytes: [UInt8]) -> GGUFValue { .text(Data(bytes).base64EncodedString()) }

  static func text(_ values: [Float]) -> GGUFValue {
    text(values.flatMap { littleEndian($0.bitPattern) })
  }

  static func bytes(_ value: GGUFValue?) -> [UInt8]? {
    value?.text.flatMap { Data(base64Encoded: $0) }.map(Array.init)
  }

  static func floats(_ value: GGUFValue?) -> [Float]? {
    guard let bytes = bytes(value), bytes.count.isMultiple(of: 4) else { return nil }
    return GGUFValue.numbers(.float32, bytes).floats
  }
}
