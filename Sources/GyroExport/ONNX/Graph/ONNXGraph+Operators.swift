/// The operators that models and quantizers are written in.
extension ONNXGraph {
  // MARK: Arithmetic

  /// An operator on two tensors of which one may be stretched to the other's extents.
  mutating func binary(_ operation: String, _ a: ONNXValue, _ b: ONNXValue) -> ONNXValue {
    append(operation, [a, b], extents: Self.broadcast(a.extents, b.extents))
  }

  mutating func add(_ a: ONNXValue, _ b: ONNXValue) -> ONNXValue { binary("Add", a, b) }
  mutating func subtract(_ a: ONNXValue, _ b: ONNXValue) -> ONNXValue { binary("Sub", a, b) }
  mutating func multiply(_ a: ONNXValue, _ b: ONNXValue) -> ONNXValue { binary("Mul", a, b) }
  mutating func divide(_ a: ONNXValue, _ b: ONNXValue) -> ONNXValue { binary("Div", a, b) }
  mutating func minimum(_ a: ONNXValue, _ b: ONNXValue) -> ONNXValue { binary("Min", a, b) }
  mutating func maximum(_ a: ONNXValue, _ b: ONNXValue) -> ONNXValue { binary("Max", a, b) }

  /// An operator on each element.
  mutating func unary(_ operation: String, _ x: ONNXValue) -> ONNXValue {
    append(operation, [x], extents: x.extents)
  }

  /// Limits every element.
  mutating func clip(_ x: ONNXValue, _ limits: ClosedRange<Float>) -> ONNXValue {
    let (low, high) = (constant(limits.lowerBound), constant(limits.upperBound))
    return append("Clip", [x, low, high], extents: x.extents)
  }

  /// `condition ? a : b`, element by element.
  mutating func choose(
    _ condition: ONNXValue, _ a: ONNXValue, _ b: ONNXValue
  ) -> ONNXValue {
    let extents = Self.broadcast(condition.extents, Self.broadcast(a.extents, b.extents))
    return append("Where", [condition, a, b], extents: extents)
  }

  /// The nearest number of another type.
  mutating func cast(_ x: ONNXValue, to type: ONNXTensorProto.DataType) -> ONNXValue {
    var attributes: [ONNXAttributeProto] = [.integer("to", type.rawValue)]
    if type == .float8E4M3Fn || type == .float8E5M2 { attributes.append(.integer("saturate", 1)) }
    require(type)
    return append("Cast", [x], extents: x.extents, attributes)
  }

  /// Raises the version of the operator set to one that has a type.
  mutating func require(_ type: ONNXTensorProto.DataType) {
    switch type {
    case .float8E4M3Fn, .float8E5M2: require(operatorSet: 19)
    case .int4, .uint4: require(operatorSet: 21)
    default: break
    }
  }

  // MARK: Products and reductions

  /// A product of matrices in the last two axes.
  mutating func matmul(_ a: ONNXValue, _ b: ONNXValue) -> ONNXValue {
    let outer = Self.broadcast(Array(a.extents.dropLast(2)), Array(b.extents.dropLast(2)))
    return append(
      "MatMul", [a, b], extents: outer + [a.extents[a.rank - 2], b.extents[b.rank - 1]])
  }

  /// A reduction of the last axis, or of all, that keeps the axes at extent 1.
  mutating func reduce(_ operation: String, _ x: ONNXValue, all: Bool = false) -> ONNXValue {
    let extents: [Int?] =
      all ? Array(repeating: 1, count: x.rank) : x.extents.dropLast() + [1]
    let axes: [ONNXAttributeProto] = all ? [] : [.integers("axes", [-1])]
    return append(operation, [x], extents: extents, axes + [.integer("keepdims", 1)])
  }

  /// The sum of the last axis, which stays at extent 1.
  mutating func sum(_ x: ONNXValue) -> ONNXValue {
    let axes = constant([-1])
    return append(
      "ReduceSum", [x, axes], extents: x.extents.dropLast() + [1], [.integer("keepdims", 1)])
  }

  // MARK: Shapes

  /// The same elements under other extents: 0 copies an extent, −1 is what is left.
  mutating func reshape(_ x: ONNXValue, to extents: [Int]) -> ONNXValue {
    let shape = constant(extents)
    let known: [Int?] = extents.enumerated().map { place, extent in
      extent > 0 ? extent : extent == 0 ? x.extents[place] : nil
    }
    return append("Reshape", [x, shape], extents: known)
  }

  /// The axes in another order.
  mutating func transpose(_ x: ONNXValue, _ order: [Int]) -> ONNXValue {
    append(
      "Transpose", [x], extents: order.map { x.extents[$0] }, [.integers("perm", order)])
  }

  /// Elements `start ..< end` of an axis; `end` is a value where only the runtime knows it.
  mutating func slice(
    _ x: ONNXValue, axis: Int, from start: Int, to end: ONNXValue, extent: Int?
  ) -> ONNXValue {
    let inputs = [x, constant([start]), end, constant([axis])]
    var extents = x.extents
    extents[axis] = extent
    return append("Slice", inputs, extents: extents)
  }

  /// Rows of a table, along its first axis.
  mutating func gather(_ table: ONNXValue, _ indices: ONNXValue) -> ONNXValue {
    append(
      "Gather", [table, indices], extents: indices.extents + table.extents.dropFirst(),
      [.integer("axis", 0)])
  }

  /// Extents of two tensors stretched to each other.
  static func broadcast(_ a: [Int?], _ b: [Int?]) -> [Int?] {
    let rank = max(a.count, b.count)
    return (0..<rank).map { place in
      let left = place - (rank - a.count), right = place - (rank - b.count)
      guard left >= 0 else { return b[right] }
      guard right >= 0, b[right] != 1 else { return a[left] }
      return a[left] == 1 ? b[right] : a[left] ?? b[right]
    }
  }
}

extension ONNXAttributeProto {
  static func integer(_ name: String, _ value: Int) -> ONNXAttributeProto {
    var attribute = ONNXAttributeProto()
    attribute.name = name
    attribute.type = .int
    attribute.i = Int64(value)
    return attribute
  }

  static func integers(_ name: String, _ values: [Int]) -> ONNXAttributeProto {
    var attribute = ONNXAttributeProto()
    attribute.name = name
    attribute.type = .ints
    attribute.ints = values.map(Int64.init)
    return attribute
  }

  static func number(_ name: String, _ value: Float) -> ONNXAttributeProto {
    var attribute = ONNXAttributeProto()
    attribute.name = name
    attribute.type = .float
    attribute.f = value
    return attribute
  }
}
