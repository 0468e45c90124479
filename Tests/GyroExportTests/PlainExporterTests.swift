import Foundation
import GyroCheckpoints
import GyroExport
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@Suite("Plain safetensors")
struct PlainExporterTests {
  private let exporter = PlainExporter()

  static let rules: [QuantizationRule] = [
    QuantizationRule(format: "int8"), QuantizationRule(format: "int4", granularity: .tensor),
    QuantizationRule(format: "int3", granularity: .group(32), scale: .float16),
    QuantizationRule(format: "int4", granularity: .group(16), isSymmetric: false),
    QuantizationRule(format: "int5", granularity: .channel, scale: .powerOfTwo),
    QuantizationRule(format: "int8", granularity: .block(rows: 16, columns: 16)),
    QuantizationRule(format: "e4m3"), QuantizationRule(format: "e5m2", granularity: .tensor),
    QuantizationRule(format: "mxfp8"), QuantizationRule(format: "mxfp4"),
    QuantizationRule(format: "nvfp4"), QuantizationRule(format: "nf4", granularity: .group(32)),
    QuantizationRule(format: "ternary", granularity: .tensor, estimator: "ttq"),
    QuantizationRule(format: "binary", granularity: .channel, estimator: "bwn"),
    QuantizationRule(format: "e4m3-finite", granularity: .channel, estimator: "flexible-float"),
  ]

  @Test(
    "written, read back: codes, scales, ranges and values bit for bit, whatever the format",
    arguments: rules)
  func roundTrip(_ rule: QuantizationRule) throws {
    let model = try SmallModel.shipped(
      QuantizationScheme(
        weights: rule,
        activations: QuantizationRule(
          format: "int8", granularity: .tensor, range: .percentile(99.9))))
    let folder = try TemporaryFolder()
    let report = try exporter.write(model, to: folder.url, ExportOptions())
    #expect(report.isExact && report.fingerprint == model.scheme?.fingerprint)
    #expect(exporter.recognizes(folder.url))
    let read = try exporter.read(from: folder.url)
    #expect(read.scheme == model.scheme)
    try expectSame(read, model)
    #expect(read.language?.warnings == [])
  }

  @Test("numbers are stored in the narrowest type that holds all of them")
  func narrowest() throws {
    func type(_ format: String, roundedTo float: ScalarType?) throws -> [String] {
      var (model, parameters) = SmallModel.llama()
      if let float {
        for path in parameters.paths { parameters[path] = float.rounded(parameters[path]) }
      }
      let scheme = QuantizationScheme(weights: QuantizationRule(format: format))
      let shipped = try ShippedModel(
        LanguageModel(model: model, parameters: parameters, scheme: scheme))
      let folder = try TemporaryFolder()
      let report = try exporter.write(shipped, to: folder.url, ExportOptions())
      try expectSame(exporter.read(from: folder.url), shipped)
      model = shipped.language!.model
      return Array(Set(report.entries.map(\.storage)))
    }
    #expect(try type("mxfp4", roundedTo: .bfloat16) == ["BF16"])
    #expect(try type("mxfp4", roundedTo: .float16) == ["F16"])
    #expect(try type("mxfp4", roundedTo: nil) == ["F32"])
    #expect(try type("int8", roundedTo: .bfloat16) == ["F32"])
  }

  @Test("a narrower type is refused, unless loss is allowed; then it is measured and has no scheme")
  func lossy() throws {
    let model = try SmallModel.shipped(
      QuantizationScheme(weights: QuantizationRule(format: "int4")))
    let folder = try TemporaryFolder()
    var options = ExportOptions(floatType: .bfloat16)
    let error = #expect(throws: ExportError.self) {
      try exporter.write(model, to: folder.url, options)
    }
    guard case .lossy("safetensors", _, "BF16", let noise, _)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(noise > 40)
    let before = try FileManager.default.contentsOfDirectory(atPath: folder.url.path)
    #expect(before.isEmpty, "\(before)")
    options.allowsLoss = true
    let report = try exporter.write(model, to: folder.url, options)
    #expect(report.entries.contains { ($0.signalToNoise ?? 0) > 40 })
    #expect(try exporter.read(from: folder.url).scheme == nil)
    #expect(!report.files.contains("quantizers.gyro"))
  }

  @Test("weights changed after the export do not pass for codes")
  func changed() throws {
    let model = try SmallModel.shipped(
      QuantizationScheme(weights: QuantizationRule(format: "int4")))
    let folder = try TemporaryFolder()
    _ = try exporter.write(model, to: folder.url, ExportOptions())
    let url = folder.url.appendingPathComponent("model.safetensors")
    let file = try SafetensorsFile(contentsOf: url)
    var writer = SafetensorsWriter()
    for name in file.names {
      writer.add(name, try file.tensor(name) * Float(name.contains("down") ? 1.01 : 1))
    }
    try writer.write(to: url)
    let error = #expect(throws: CheckpointError.self) { try exporter.read(from: folder.url) }
    #expect("\(error!)".contains("Remove the file to read them as plain numbers"))
    try FileManager.default.removeItem(at: folder.url.appendingPathComponent("quantizers.gyro"))
    _ = try exporter.read(from: folder.url)
  }

  @Test("the same model gives the same bytes, and an earlier export's shards go")
  func bytes() throws {
    let model = try SmallModel.shipped(
      QuantizationScheme(weights: QuantizationRule(format: "int4")))
    let folder = try TemporaryFolder()
    let stale = folder.url.appendingPathComponent("model-00001-of-00002.safetensors")
    try Data([1]).write(to: stale)
    let report = try exporter.write(model, to: folder.url, ExportOptions())
    func content() throws -> [Data] {
      try report.files.map { try Data(contentsOf: folder.url.appendingPathComponent($0)) }
    }
    let first = try content()
    _ = try exporter.write(model, to: folder.url, ExportOptions())
    let second = try content()
    #expect(zip(first, second).allSatisfy { $0 == $1 } && first.count == 3)
    #expect(!FileManager.default.fileExists(atPath: stale.path))
  }

  @Test("an image classifier and its static ranges read back")
  func images() throws {
    let configuration = ImageModelConfiguration(.lenet, image: [1, 12, 12], classes: 3)
    var image = try ImageModel(configuration, seed: 3)
    image.scheme = QuantizationScheme(
      weights: QuantizationRule(format: "int8"),
      activations: QuantizationRule(format: "uint8", granularity: .token, isSymmetric: false))
    let model = try ShippedModel(image)
    let folder = try TemporaryFolder()
    _ = try exporter.write(model, to: folder.url, ExportOptions())
    try expectSame(exporter.read(from: folder.url), model)
  }
}
