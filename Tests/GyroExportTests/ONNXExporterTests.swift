import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@testable import GyroExport

@Suite("ONNX files")
struct ONNXExporterTests {
  private let exporter = ONNXExporter()

  /// Writes, reads, compares, and writes again what was read.
  private func expectRoundTrip(_ model: ShippedModel) throws {
    try inTemporaryFolder { folder in
      let (first, second) = (folder.appending(path: "a.onnx"), folder.appending(path: "b.onnx"))
      let report = try exporter.write(model, to: first, ExportOptions())
      #expect(report.isExact)
      #expect(report.fingerprint == model.scheme?.fingerprint)
      #expect(exporter.recognizes(first))
      let read = try exporter.read(from: first)
      #expect(read.scheme?.fingerprint == model.scheme?.fingerprint)
      expectSame(
        read.parameters.paths.map(\.name).sorted(), model.parameters.paths.map(\.name).sorted())
      for path in model.parameters.paths {
        expectSameBits(read.parameters[path], model.parameters[path], path.name)
        guard let before = model.codes(at: path) else { continue }
        let after = try #require(read.codes(at: path), "\(path)")
        expectSame(after.codeArray, before.codeArray, path.name)
        expectSameBits(after.scales.scales, before.scales.scales, path.name)
        #expect(after.scales.tensorScale == before.scales.tensorScale)
        #expect(after.format.name == before.format.name)
        expectSame(
          after.scales.zeroPoints?.elements ?? [], before.scales.zeroPoints?.elements ?? [])
      }
      expectSameBits(ONNXModels.logits(read), ONNXModels.logits(model))
      _ = try exporter.write(read, to: second, ExportOptions())
      #expect(try Data(contentsOf: first) == Data(contentsOf: second))
    }
  }

  @Test("What was written is read back bit for bit: weights", arguments: ONNXModels.weights)
  func weights(_ scheme: QuantizationScheme) throws {
    try expectRoundTrip(ONNXModels.language(scheme))
  }

  @Test("What was written is read back bit for bit: activations", arguments: ONNXModels.activations)
  func activations(_ scheme: QuantizationScheme) throws {
    try expectRoundTrip(ONNXModels.language(scheme))
  }

  @Test("What was written is read back bit for bit: classifiers", arguments: ONNXModels.images)
  func classifiers(_ configuration: ImageModelConfiguration) throws {
    try expectRoundTrip(ONNXModels.image(configuration, nil))
    let scheme = QuantizationScheme(
      weights: QuantizationRule(format: "int4", granularity: .channel, estimator: "lsq"),
      activations: QuantizationRule(
        format: "int8", granularity: .tensor, isSymmetric: false,
        range: .movingAverage(momentum: 0.9), isDynamic: false))
    try expectRoundTrip(ONNXModels.image(configuration, scheme))
  }

  @Test("Tensors without codes take the narrowest type that keeps them, or are refused")
  func floats() throws {
    var model = try #require(try ONNXModels.language(nil).language)
    for path in model.parameters.paths {
      let tensor = model.parameters[path]
      model.parameters[path] = Tensor(
        tensor.shape,
        elements: tensor.elements.map { Float(bitPattern: $0.bitPattern & 0xffff_0000) })
    }
    let narrow = try ShippedModel(model)
    try expectRoundTrip(narrow)
    try inTemporaryFolder { folder in
      let file = folder.appending(path: "model.onnx")
      let report = try exporter.write(narrow, to: file, ExportOptions())
      #expect(report.entries.allSatisfy { $0.storage == "BF16" })
      let wide = try ONNXModels.language(nil)
      let other = folder.appending(path: "other.onnx")
      #expect(throws: ExportError.self) {
        try exporter.write(wide, to: other, ExportOptions(floatType: .float16))
      }
      #expect(!FileManager.default.fileExists(atPath: other.path))
      let lossy = try exporter.write(
        wide, to: other, ExportOptions(floatType: .float16, allowsLoss: true))
      #expect(lossy.entries.allSatisfy { $0.storage == "F16" && ($0.signalToNoise ?? 99) > 60 })
      #expect(throws: ExportError.self) {
        try exporter.write(wide, to: other, ExportOptions(floatType: .float8E4M3))
      }
    }
  }

  @Test("What operators cannot say is refused before anything is written")
  func refusals() throws {
    let channel = QuantizationRule(format: "int8", granularity: .channel)
    let refused = [
      QuantizationScheme(
        weights: channel,
        activations: QuantizationRule(format: "binary", granularity: .token, estimator: "xnor")),
      QuantizationScheme(
        weights: channel,
        activations: QuantizationRule(format: "int4", granularity: .token, estimator: "dorefa")),
    ]
    try inTemporaryFolder { folder in
      let file = folder.appending(path: "model.onnx")
      for scheme in refused {
        let model = try ONNXModels.language(scheme)
        let answers = model.demands.map { exporter.fidelity(of: $0, ExportOptions()) }
        #expect(answers.contains { if case .impossible = $0 { true } else { false } })
        #expect(throws: ExportError.self) {
          try exporter.write(model, to: file, ExportOptions())
        }
      }
      // A static range that nobody calibrated.
      let bare = try #require(try ONNXModels.language(nil).language)
      var uncalibrated = bare
      uncalibrated.scheme = QuantizationScheme(
        weights: channel,
        activations: QuantizationRule(format: "int8", granularity: .tensor, isDynamic: false))
      let model = try ShippedModel(uncalibrated)
      #expect(throws: ExportError.self) { try exporter.write(model, to: file, ExportOptions()) }
      #expect(throws: ExportError.self) {
        try exporter.write(ShippedModel(bare), to: file, ExportOptions(storage: "q4_k"))
      }
      // More than a message can hold.
      var small = ONNXExporter()
      small.largestFile = 1000
      #expect(throws: ExportError.self) {
        try small.write(ShippedModel(bare), to: file, ExportOptions())
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }
  }
}
