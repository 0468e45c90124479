import GyroExport
import GyroQuantization

extension FuzzTarget {
  /// One ONNX file: protocol buffers, graph, initializers.
  static let onnx = FuzzTarget(
    name: "onnx", shape: .protobuf,
    seeds: {
      let rule = QuantizationRule(format: "int8")
      return try [("float", file(ONNXExporter(), nil)), ("int8", file(ONNXExporter(), rule))]
    },
    read: { bytes, folder in
      _ = try ONNXExporter().read(from: folder.write(bytes, to: "model.onnx"))
    })
}
