/// Signed whole numbers in a symmetric range: `±(2^(bits−1) − 1)` (2004.09602 §3.1.2, the restricted
/// range, so that negation is exact and products of codes stay small).
public struct SignedInteger: NumberFormat, Hashable {
  public let bits: Int

  /// The 8-bit format, codes −127…127.
  public static let int8 = SignedInteger(bits: 8)

  private init(bits: Int) { self.bits = bits }

  public var name: String { "int\(bits)" }
  public var largest: Float { Float((1 << (bits - 1)) - 1) }

  public func project(_ value: Float) -> Float {
    min(max(value.rounded(.toNearestOrEven), -largest), largest)
  }

  public func encode(_ value: Float) -> Int8 { Int8(project(value)) }

  public func decode(_ code: Int8) -> Float { Float(code) }
}
