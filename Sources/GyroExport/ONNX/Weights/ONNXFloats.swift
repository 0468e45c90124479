import Foundation
import GyroCheckpoints
import GyroModels
import GyroTensors

/// The type that tensors without codes are stored in. The graph computes in Float32: a tensor of a
/// narrower type goes through a Cast, which is exact.
struct ONNXFloats {
  let type: ScalarType

  /// The type asked for, or the narrowest that keeps every number.
  /// - Throws: ``ExportError/unknownStorage(_:format:known:)`` for a type that is none of the three.
  init(_ asked: ScalarType?, for tensors: [Tensor]) throws(ExportError) {
    guard let asked else {
      type =
        [ScalarType.bfloat16, .float16].first { type in
          tensors.allSatisfy { Self.holds($0, as: type) }
        } ?? .float32
      return
    }
    guard Self.types[asked] != nil else {
      throw .unknownStorage(
        asked.rawValue, format: "onnx (tensors without codes)", known: ["F32", "F16", "BF16"])
    }
    type = asked
  }

  static let types: [ScalarType: ONNXTensorProto.DataType] = [
    .float32: .float, .float16: .float16, .bfloat16: .bfloat16,
  ]

  /// The type in a file.
  var dataType: ONNXTensorProto.DataType { Self.types[type]! }

  /// Whether a type keeps every number of a tensor.
  private static func holds(_ tensor: Tensor, as type: ScalarType) -> Bool {
    let rounded = ONNXFloats(type: type).rounded(tensor)
    return tensor.withElements { old in
      rounded.withElements { new in
        (0..<tensor.count).allSatisfy { old[$0].bitPattern == new[$0].bitPattern }
      }
    }
  }

  private init(type: ScalarType) { self.type = type }

  /// The bytes of a tensor in row-major order.
  func bytes(_ tensor: Tensor) -> Data {
    var bytes = Data(count: tensor.count * type.byteCount)
    bytes.withUnsafeMutableBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      _ = tensor.contiguous().withElements { type.encode($0, count: tensor.count, into: base) }
    }
    return bytes
  }

  /// What a reader of the file decodes.
  func rounded(_ tensor: Tensor) -> Tensor {
    type == .float32 ? tensor : Self.tensor(bytes(tensor), type, tensor.shape)
  }

  /// The tensor of such bytes.
  /// - Precondition: as many as the shape takes.
  static func tensor(_ bytes: Data, _ type: ScalarType, _ shape: Shape) -> Tensor {
    precondition(bytes.count == shape.count * type.byteCount, "ONNXFloats: \(bytes.count) bytes")
    var result = Tensor(uninitialized: shape)
    result.withMutableElements { target in
      // A copy that is aligned for the type.
      let aligned = UnsafeMutableRawPointer.allocate(
        byteCount: max(bytes.count, 1), alignment: 16)
      defer { aligned.deallocate() }
      bytes.withUnsafeBytes { source in
        if let base = source.baseAddress { aligned.copyMemory(from: base, byteCount: source.count) }
      }
      type.decode(aligned, count: shape.count, into: target)
    }
    return result
  }
}

extension ONNXGraph {
  /// A tensor without codes as Float32 numbers, a matrix `[in, out]` where MatMul reads it.
  mutating func floats(
    _ name: String, _ tensor: Tensor, _ floats: ONNXFloats, isTransposed: Bool = false
  ) -> ONNXValue {
    let stored = isTransposed ? tensor.transposed().contiguous() : tensor
    let value = initializer(
      name, floats.dataType, stored.shape.dimensions, floats.bytes(stored))
    return floats.type == .float32 ? value : cast(value, to: .float)
  }
}
