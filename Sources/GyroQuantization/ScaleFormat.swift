/// The type a scale is stored in. Training rounds scales to it first, so what is trained is what
/// ships; the arithmetic itself multiplies by the rounded scale in Float32.
public enum ScaleFormat: String, Hashable, Sendable, Codable, CaseIterable {
  /// `max|x| / largest` in Float32.
  case float32
  /// The same, rounded to IEEE half precision.
  case float16
  /// The same, rounded to bfloat16.
  case bfloat16
  /// The least power of two that clips nothing: `2^⌈log2(max|x| / largest)⌉` (2106.08295 §2.2).
  case powerOfTwo = "power-of-two"
  /// OCP Microscaling's shared exponent, `2^(⌊log2 max|x|⌋ − ⌊log2 largest⌋)`, from 2^−127 to 2^127.
  /// A block's largest value may clip, by design of the standard.
  case e8m0
  /// NVFP4's two levels: an E4M3 scale per group times one Float32 scale per tensor,
  /// `max|tensor| / (448 · largest)`. A number is multiplied by the first, exactly, then the second.
  case e4m3

  /// Bytes of a scale in a file.
  public var byteCount: Int {
    switch self {
    case .float32, .powerOfTwo: 4
    case .float16, .bfloat16: 2
    case .e8m0, .e4m3: 1
    }
  }

  /// The largest scale there is. (For `e4m3`, of any tensor: that scale is a Float32.)
  public var largest: Float {
    switch self {
    case .float32, .e4m3: .greatestFiniteMagnitude
    case .float16: 65504
    case .bfloat16: Float(bitPattern: 0x7f7f_0000)
    case .powerOfTwo, .e8m0: 0x1p127
    }
  }
}
