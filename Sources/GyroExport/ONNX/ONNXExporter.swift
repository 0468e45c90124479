public import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization

/// ONNX: the model's forward pass as a graph of standard operators, with the trained codes and scales
/// as its initializers. Runs wherever ONNX runs; nothing is left to a runtime's own quantization.
///
/// Weights are decoded by DequantizeLinear, or looked up in a table of levels; static ranges of eight
/// bits or fewer are QuantizeLinear and DequantizeLinear, dynamic ranges are the arithmetic of our
/// kernels written out; online Hadamard transforms are products with a matrix.
///
/// | content                               | operator set | version of the file |
/// |---------------------------------------|--------------|---------------------|
/// | Float32, 8-bit whole numbers          | 13           | 7                   |
/// | FP8 weights or activations            | 19           | 9                   |
/// | narrower weights, scales of groups    | 21           | 10                  |
public struct ONNXExporter: CheckpointExporter {
  /// Bytes of numbers that a message may hold, with room for everything else.
  var largestFile = 2_000_000_000

  public init() {}

  static let format = "onnx"

  public var name: String { Self.format }
  public var summary: String { "a graph with quantized weights, in one file" }
  public var runtimes: String { "ONNX Runtime, OpenVINO, TensorRT and others" }
  public var storages: [String] { [] }
  public var writesFolder: Bool { false }

  public func fidelity(of demand: ExportDemand, _ options: ExportOptions) -> Fidelity {
    switch demand {
    case .weight(_, nil): return .numbers(as: options.floatType)
    case .weight(_, .some), .transform: return .exact
    case .activation(let site, let rule):
      if let reason = ONNXQuantizer.obstacle(rule) { return .impossible(reason) }
      if site.kind == .attention, case .group(let size) = rule.granularity {
        return .impossible("groups of \(size) do not divide a row of attention's probabilities")
      }
      return .exact
    }
  }

  public func write(
    _ model: ShippedModel, to destination: URL, _ options: ExportOptions
  ) throws -> ExportReport {
    try refuseStorage(options)
    let left = try checked(model, options) { _ in
      "Keep that place float ('keep'), or choose another rule for it."
    }
    var forward = try ONNXForward(model, options)
    switch model.network {
    case .language(let language): try forward.llama(language.configuration)
    case .image(let image): try forward.classifier(image.configuration)
    }
    try forward.report.check(options)
    let bytes = forward.graph.initializers.reduce(0) { $0 + $1.rawData.count }
    guard bytes <= largestFile else {
      throw ExportError.impossible(
        format: name, path: destination.lastPathComponent, what: "\(bytes) bytes of weights",
        because: "one file holds at most 2 GB, and weights beside it are not supported",
        instead: "Quantize to fewer bits, or export to another format.")
    }
    options.progress(0, bytes)
    try AtomicFile.write(
      try ONNXMetadata(model, codes: forward.codes).file(around: forward.graph),
      to: destination)
    options.progress(bytes, bytes)
    forward.report.files = [destination.lastPathComponent]
    forward.report.notes = left + forward.notes
    return forward.report
  }

  public func read(from source: URL) throws -> ShippedModel {
    let file = try ONNXFile(contentsOf: source)
    return try ONNXReader(file).model()
  }

  public func recognizes(_ source: URL) -> Bool {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: source.path, isDirectory: &isFolder),
      !isFolder.boolValue
    else { return false }
    if source.pathExtension.lowercased() == "onnx" { return true }
    // The version of the file, then the producer's name.
    guard let handle = try? FileHandle(forReadingFrom: source) else { return false }
    defer { try? handle.close() }
    let first = [UInt8]((try? handle.read(upToCount: 8)) ?? Data())
    return first.count == 8 && first[0] == 0x08
      && first[2...] == [0x12, 4] + Array("gyro".utf8)[...]
  }
}

extension ONNXForward {
  /// What whoever runs the file should know.
  var notes: [String] {
    var notes: [String] = []
    if model.language != nil, graph.nodes.contains(where: { $0.opType == "DequantizeLinear" }) {
      notes.append(
        "ONNX Runtime by default quantizes what it multiplies with quantized matrices once more, to "
          + "8 bits; the session option session.qdq_matmulnbits_accuracy_level = \"0\" keeps it")
    }
    if graph.nodes.contains(where: { $0.opType == "Gather" && $0.input[0].hasSuffix("_levels") }) {
      notes.append(
        "Formats that ONNX has no type for are stored as places in a table of levels; most "
          + "runtimes decode them once, to Float32, when they load the file")
    }
    return notes
  }
}
