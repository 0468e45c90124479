/// How keys and values are kept that stay floats.
public enum FloatPrecision: String, Sendable, Hashable, Codable, CaseIterable {
  case float32
  case float16

  /// Bytes of one number.
  public var byteCount: Int { self == .float32 ? 4 : 2 }

  /// The largest finite number.
  public var largest: Float { self == .float32 ? .greatestFiniteMagnitude : 65504 }
}
