/// Codes that a tensor's elements follow from: a tensor made of them remembers them, and writes its
/// Float32 elements when somebody first looks.
public protocol EncodedElements: Sendable {
  /// How many elements there are.
  var count: Int { get }
  /// Writes all elements in row-major order.
  func decode(into destination: UnsafeMutablePointer<Float>)
  /// The bfloat16 units that products of these elements run on; nil when there are none.
  var units: UnitGrid? { get }
}

extension EncodedElements {
  public var units: UnitGrid? { nil }
}
