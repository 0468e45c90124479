public import GyroTensors

/// What a safetensors header says about one tensor.
public struct SafetensorsEntry: Sendable, Equatable {
  public let name: String
  public let type: ScalarType
  public let shape: Shape
  /// Where its bytes lie, counted from the end of the header.
  public let byteRange: Range<Int>
}
