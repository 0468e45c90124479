public import GyroModels
public import GyroTensors

/// How a tensor is cut into groups that share a scale: contiguous runs of `length` elements.
///
/// Blocks are the one granularity whose groups are not contiguous; a quantizer brings them together
/// first, block after block along each band of rows.
public struct GroupLayout: Sendable, Hashable {
  public let groups: Int
  public let length: Int

  /// - Throws: `QuantizationError.indivisible` when the groups do not divide the axis they cut.
  public init(
    _ granularity: Granularity, of shape: Shape, named path: ParameterPath
  ) throws(QuantizationError) {
    switch granularity {
    case .tensor: self.init(groups: 1, of: shape)
    case .channel: self.init(groups: shape.dimensions.first ?? 1, of: shape)
    case .token: self.init(groups: shape.rows, of: shape)
    case .group(let size), .head(let size):
      try Self.check(size, divides: shape.columns, path)
      self.init(groups: shape.count / size, of: shape)
    case .block(let rows, let columns):
      try Self.check(rows, divides: shape.rows, path)
      try Self.check(columns, divides: shape.columns, path)
      self.init(groups: shape.count / (rows * columns), of: shape)
    }
  }

  private init(groups: Int, of shape: Shape) {
    self.groups = groups
    length = groups == 0 ? 0 : shape.count / groups
  }

  private static func check(
    _ group: Int, divides size: Int, _ path: ParameterPath
  ) throws(QuantizationError) {
    guard group > 0, size.isMultiple(of: group) else {
      throw .indivisible(path, group: group, size: size)
    }
  }
}
