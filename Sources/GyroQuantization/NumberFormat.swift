/// A number format: which values codes can stand for, once a scale has brought a tensor to the
/// format's own units.
///
/// Laws, bit for bit, for every conformer: `project == decode ∘ encode`; `project` is idempotent
/// and monotone, and odd where the grid is symmetric. One definition serves simulated
/// quantization, integer execution and every exporter.
public protocol NumberFormat: Sendable {
  /// The name used in recipes and reports, e.g. `int8`.
  var name: String { get }
  /// Bits per code.
  var bits: Int { get }
  /// The largest value, in the format's units: a symmetric scale is `max|x| / largest`.
  var largest: Float { get }
  /// The nearest representable value, ties to even.
  func project(_ value: Float) -> Float
  /// The code of the nearest representable value.
  func encode(_ value: Float) -> Int8
  /// The value of a code.
  func decode(_ code: Int8) -> Float
}
