/// A number format: which values codes can stand for, once a scale has brought a tensor to the
/// format's own units.
///
/// Laws, bit for bit, for every conformer and every finite value: `project == decode ∘ encode`;
/// `project` is idempotent and monotone, and odd where the grid is symmetric; every code but those
/// of NaN and infinity survives `encode ∘ decode`. One definition serves simulated quantization,
/// integer execution and every exporter.
public protocol NumberFormat: Hashable, Sendable {
  /// The name used in recipes and reports, e.g. `int8`.
  var name: String { get }
  /// Bits per code, at most 8.
  var bits: Int { get }
  /// The least value, in the format's units; 0 for an unsigned format.
  var lowest: Float { get }
  /// The largest value, in the format's units.
  var largest: Float { get }
  /// What a symmetric scale divides by: it is `max|x| / span`. The largest value, unless the format
  /// says otherwise.
  var span: Float { get }
  /// What kernels need to know to project many values at once.
  var arithmetic: FormatArithmetic { get }
  /// The nearest representable value; values beyond the range saturate.
  func project(_ value: Float) -> Float
  /// The code of the nearest representable value, in the low `bits` bits.
  func encode(_ value: Float) -> UInt8
  /// The value of a code; bits above `bits` are ignored.
  func decode(_ code: UInt8) -> Float
}

/// The three ways in which a format's values lie on the line.
public enum FormatArithmetic: Hashable, Sendable {
  /// Whole numbers from `lowest` to `largest`.
  case integers
  /// Steps that double with each power of two from `2^smallestExponent` on:
  /// `2^(e − mantissaBits)` in `[2^e, 2^(e+1))`, and below `2^smallestExponent` as just above it.
  case floats(mantissaBits: Int, smallestExponent: Int)
  /// A list of at most 256 values in rising order; a value halfway between two goes up.
  case levels([Float])
}

extension NumberFormat {
  public var span: Float { largest }

  /// Whether negative values can be represented.
  public var isSigned: Bool { lowest < 0 }

  /// Every finite value that `project` may give, in rising order, without repetition.
  public var values: [Float] {
    var seen: Set<Float> = []
    for code in 0..<(1 << bits) {
      let value = decode(UInt8(code))
      if value.isFinite, value >= lowest { seen.insert(value) }
    }
    return seen.sorted()
  }
}
