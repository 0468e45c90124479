/// The extents of a tensor, outermost first, in row-major order.
public struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral, CustomStringConvertible {
  /// The extents, outermost first. An empty list is a scalar.
  public let dimensions: [Int]

  /// Creates a shape; every extent must be at least zero.
  public init(_ dimensions: [Int]) {
    precondition(
      dimensions.allSatisfy { $0 >= 0 }, "Shape: negative extent in \(dimensions)")
    self.dimensions = dimensions
  }

  public init(arrayLiteral elements: Int...) { self.init(elements) }

  /// The number of elements: the product of the extents (1 for a scalar).
  public var count: Int { dimensions.reduce(1, *) }

  /// The number of axes.
  public var rank: Int { dimensions.count }

  /// The last extent (1 for a scalar): the length of a row.
  public var columns: Int { dimensions.last ?? 1 }

  /// The product of all extents but the last: the number of rows.
  public var rows: Int { dimensions.dropLast().reduce(1, *) }

  /// The extent along `axis`; a negative axis counts from the end.
  public subscript(axis: Int) -> Int { dimensions[normalized(axis)] }

  /// Turns a negative axis into its place from the front.
  public func normalized(_ axis: Int) -> Int {
    let place = axis < 0 ? axis + rank : axis
    precondition(place >= 0 && place < rank, "Shape: axis \(axis) is outside \(self)")
    return place
  }

  /// The distance between neighbours along each axis when elements lie in row-major order.
  public var contiguousStrides: [Int] {
    var strides = [Int](repeating: 1, count: rank)
    var product = 1
    for axis in stride(from: rank - 1, through: 0, by: -1) {
      strides[axis] = product
      product *= dimensions[axis]
    }
    return strides
  }

  /// This shape with one extent replaced.
  public func replacing(axis: Int, with extent: Int) -> Shape {
    var copy = dimensions
    copy[normalized(axis)] = extent
    return Shape(copy)
  }

  /// The shape two operands broadcast to (trailing axes aligned, extent 1 stretches), or nil.
  public func broadcast(with other: Shape) -> Shape? {
    let rank = max(self.rank, other.rank)
    var result = [Int](repeating: 1, count: rank)
    for place in 1...max(rank, 1) where place <= rank {
      let a = place <= self.rank ? dimensions[self.rank - place] : 1
      let b = place <= other.rank ? other.dimensions[other.rank - place] : 1
      guard a == b || a == 1 || b == 1 else { return nil }
      result[rank - place] = a == 1 ? b : a
    }
    return Shape(result)
  }

  public var description: String { "[" + dimensions.map(String.init).joined(separator: ", ") + "]" }
}
