import Foundation
import GyroTensors

/// A tensor that flows through a graph: its name, and its extents as far as they are known.
struct ONNXValue {
  let name: String
  /// Outermost first; nil for one that only the runtime knows, e.g. the batch.
  let extents: [Int?]

  var rank: Int { extents.count }
}

/// A graph under construction: values, nodes, initializers.
///
/// Names follow from the order of calls alone, so the same model gives the same bytes. The version
/// of the operator set starts at 13 and rises with what is used.
struct ONNXGraph {
  private(set) var nodes: [ONNXNodeProto] = []
  private(set) var initializers: [ONNXTensorProto] = []
  private var inputs: [ONNXValueInfoProto] = []
  private var outputs: [ONNXValueInfoProto] = []
  /// The operator set that the nodes so far need.
  private(set) var operatorSet: Int64 = 13
  /// Constants by what they hold, so that each is stored once.
  private var constants: [String: ONNXValue] = [:]
  /// What new names begin with, e.g. `model.layers.0.mlp`.
  var scope = ""

  /// Raises the version of the operator set.
  mutating func require(operatorSet version: Int64) { operatorSet = max(operatorSet, version) }

  // MARK: Values

  /// Declares an input.
  mutating func input(
    _ name: String, _ type: ONNXTensorProto.DataType, _ extents: [ONNXExtent]
  ) -> ONNXValue {
    inputs.append(Self.information(name, type, extents))
    return ONNXValue(name: name, extents: extents.map(\.known))
  }

  /// Gives a value the name of an output.
  mutating func output(_ value: ONNXValue, as name: String, _ extents: [ONNXExtent]) {
    _ = append("Identity", [value], named: name, extents: value.extents, [])
    outputs.append(Self.information(name, .float, extents))
  }

  private static func information(
    _ name: String, _ type: ONNXTensorProto.DataType, _ extents: [ONNXExtent]
  ) -> ONNXValueInfoProto {
    var shape = ONNXTensorShapeProto()
    shape.dim = extents.map { extent in
      var dimension = ONNXTensorShapeProto.Dimension()
      switch extent {
      case .fixed(let size): dimension.dimValue = Int64(size)
      case .named(let name): dimension.dimParam = name
      }
      return dimension
    }
    var tensor = ONNXTypeProto.Tensor()
    tensor.elemType = Int32(type.rawValue)
    tensor.shape = shape
    var information = ONNXValueInfoProto()
    information.name = name
    information.type.tensorType = tensor
    return information
  }

  // MARK: Nodes

  /// Adds a node with one output.
  mutating func append(
    _ operation: String, _ inputs: [ONNXValue], extents: [Int?],
    _ attributes: [ONNXAttributeProto] = []
  ) -> ONNXValue {
    let number = nodes.count
    let name = (scope.isEmpty ? "" : scope + "/") + "\(operation)_\(number)"
    return append(operation, inputs, named: name, extents: extents, attributes)
  }

  private mutating func append(
    _ operation: String, _ inputs: [ONNXValue], named name: String, extents: [Int?],
    _ attributes: [ONNXAttributeProto]
  ) -> ONNXValue {
    var node = ONNXNodeProto()
    node.opType = operation
    node.name = name
    node.input = inputs.map(\.name)
    node.output = [name]
    node.attribute = attributes
    nodes.append(node)
    return ONNXValue(name: name, extents: extents)
  }

  // MARK: Initializers

  /// Adds stored numbers.
  mutating func initializer(
    _ name: String, _ type: ONNXTensorProto.DataType, _ extents: [Int], _ bytes: Data
  ) -> ONNXValue {
    var tensor = ONNXTensorProto()
    tensor.name = name
    tensor.dataType = Int32(type.rawValue)
    tensor.dims = extents.map(Int64.init)
    tensor.rawData = bytes
    initializers.append(tensor)
    return ONNXValue(name: name, extents: extents)
  }

  /// A small tensor of numbers, stored once however often it is asked for.
  mutating func constant(
    _ type: ONNXTensorProto.DataType, _ extents: [Int], _ bytes: Data
  ) -> ONNXValue {
    let key = "\(type.rawValue) \(extents) \(bytes.base64EncodedString())"
    if let known = constants[key] { return known }
    let value = initializer("constant_\(constants.count)", type, extents, bytes)
    constants[key] = value
    return value
  }

  /// One Float32 number.
  mutating func constant(_ number: Float) -> ONNXValue { constant([number], []) }

  /// Float32 numbers.
  mutating func constant(_ numbers: [Float], _ extents: [Int]) -> ONNXValue {
    constant(.float, extents, Data(littleEndian: numbers.map(\.bitPattern)))
  }

  /// Whole numbers in one axis; without any axis where that is asked for.
  mutating func constant(_ numbers: [Int], isScalar: Bool = false) -> ONNXValue {
    constant(
      .int64, isScalar ? [] : [numbers.count], Data(littleEndian: numbers.map(Int64.init)))
  }

  // MARK: The result

  /// The graph as a message.
  func message(named name: String) -> ONNXGraphProto {
    var result = ONNXGraphProto()
    result.name = name
    result.input = inputs
    result.output = outputs
    result.node = nodes
    result.initializer = initializers
    guard operatorSet >= 18 else { return result }
    // From version 18 on, axes of these reductions are an input.
    for place in result.node.indices
    where ["ReduceMax", "ReduceMin", "ReduceMean"].contains(result.node[place].opType) {
      guard let axes = result.node[place].attribute.first(where: { $0.name == "axes" }) else {
        continue
      }
      var tensor = ONNXTensorProto()
      tensor.name = "axes" + axes.ints.map { "_\($0)" }.joined()
      tensor.dataType = Int32(ONNXTensorProto.DataType.int64.rawValue)
      tensor.dims = [Int64(axes.ints.count)]
      tensor.rawData = Data(littleEndian: axes.ints)
      if !result.initializer.contains(where: { $0.name == tensor.name }) {
        result.initializer.append(tensor)
      }
      result.node[place].input.append(tensor.name)
      result.node[place].attribute.removeAll { $0.name == "axes" }
    }
    return result
  }
}

/// An extent of an input or output.
enum ONNXExtent {
  case fixed(Int)
  /// One the runtime chooses, under a name for people.
  case named(String)

  var known: Int? { if case .fixed(let size) = self { size } else { nil } }
}

extension Data {
  /// The bytes of numbers, lowest first.
  init<Number: FixedWidthInteger>(littleEndian numbers: [Number]) {
    self = numbers.map(\.littleEndian).withUnsafeBytes { Data($0) }
  }
}
