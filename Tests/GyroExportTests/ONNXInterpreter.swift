import Foundation
import GyroQuantization
import GyroTensors

@testable import GyroExport

/// Runs a graph one node after another by the definitions of the ONNX operators, slowly: what a
/// runtime computes, without a runtime. All tensors are Float32 here; whole numbers fit.
struct ONNXInterpreter {
  private var values: [String: Tensor] = [:]
  private var types: [String: ONNXTensorProto.DataType] = [:]
  let graph: ONNXGraphProto

  init(_ graph: ONNXGraphProto) {
    self.graph = graph
    for tensor in graph.initializer {
      values[tensor.name] = Self.tensor(tensor)
      types[tensor.name] = ONNXTensorProto.DataType(rawValue: Int(tensor.dataType))
    }
  }

  /// The outputs by name.
  mutating func run(_ inputs: [String: Tensor]) -> [String: Tensor] {
    values.merge(inputs) { $1 }
    for node in graph.node {
      let arguments = node.input.map { values[$0]! }
      values[node.output[0]] = ONNXOperators.run(node, arguments) { name in
        types[name] == .int8 || types[name] == .int4
      }
    }
    return Dictionary(uniqueKeysWithValues: graph.output.map { ($0.name, values[$0.name]!) })
  }

  /// The numbers of an initializer.
  static func tensor(_ tensor: ONNXTensorProto) -> Tensor {
    let shape = Shape(tensor.dims.map { Int($0) })
    let bytes = [UInt8](tensor.rawData)
    let type = ONNXTensorProto.DataType(rawValue: Int(tensor.dataType))!
    func words<Word: FixedWidthInteger>(_ type: Word.Type) -> [Word] {
      bytes.withUnsafeBytes { raw in
        (0..<shape.count).map {
          Word(
            littleEndian: raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Word>.size, as: type))
        }
      }
    }
    func nibbles() -> [UInt8] {
      (0..<shape.count).map { $0.isMultiple(of: 2) ? bytes[$0 / 2] & 15 : bytes[$0 / 2] >> 4 }
    }
    let numbers: [Float] =
      switch type {
      case .float: words(UInt32.self).map { Float(bitPattern: $0) }
      case .bfloat16: words(UInt16.self).map { Float(bitPattern: UInt32($0) << 16) }
      case .float16:
        words(UInt16.self).map {
          Minifloat16.decode($0)
        }
      case .int64: words(Int64.self).map { Float($0) }
      case .int8: bytes.map { Float(Int8(bitPattern: $0)) }
      case .uint8: bytes.map { Float($0) }
      case .uint4: nibbles().map { Float($0) }
      case .int4: nibbles().map { Float($0 > 7 ? Int($0) - 16 : Int($0)) }
      case .float8E4M3Fn: bytes.map { Minifloat.e4m3.decode($0) }
      case .float8E5M2: bytes.map { Minifloat.e5m2.decode($0) }
      default: fatalError("no initializer has the type \(type)")
      }
    return Tensor(shape, elements: numbers)
  }
}

/// IEEE half precision, by its definition.
private enum Minifloat16 {
  static func decode(_ bits: UInt16) -> Float {
    let exponent = Int(bits >> 10 & 31)
    let fraction = Float(bits & 1023) / 1024
    let magnitude =
      exponent == 0
      ? fraction * 0x1p-14
      : (1 + fraction) * Float(sign: .plus, exponent: exponent - 15, significand: 1)
    return bits >> 15 == 1 ? -magnitude : magnitude
  }
}
