import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@testable import GyroExport

@Suite("Folders in compressed-tensors' layout that others wrote")
struct CompressedTensorsForeignTests {
  private let exporter = CompressedTensorsExporter()

  /// A folder without anything of ours in it.
  private func folder(
    _ scheme: QuantizationScheme, _ change: (inout [String: Any]) -> Void = { _ in }
  ) throws -> (TemporaryFolder, ShippedModel) {
    let model = try SmallModel.shipped(scheme)
    let folder = try TemporaryFolder()
    _ = try exporter.write(model, to: folder.url, ExportOptions())
    try? FileManager.default.removeItem(at: folder.url.appendingPathComponent("quantizers.gyro"))
    let config = folder.url.appendingPathComponent("config.json")
    var object =
      try JSONSerialization.jsonObject(with: Data(contentsOf: config)) as? [String: Any] ?? [:]
    object["gyro"] = nil
    change(&object)
    try JSONSerialization.data(withJSONObject: object).write(to: config)
    return (folder, model)
  }

  /// Changes `quantization_config`.
  private func quantization(
    _ object: inout [String: Any], _ change: (inout [String: Any]) -> Void
  ) {
    var inner = object["quantization_config"] as? [String: Any] ?? [:]
    change(&inner)
    object["quantization_config"] = inner
  }

  @Test(
    "weights come with their codes and a rule that says the same", arguments: carriedRules.indices)
  func weights(_ index: Int) throws {
    let rule = carriedRules[index].rule
    let (folder, model) = try folder(QuantizationScheme(weights: rule))
    let read = try exporter.read(from: folder.url)
    let scheme = try #require(read.scheme)
    #expect(scheme.activations == nil)
    for path in model.parameters.paths {
      guard rule.format != "nvfp4" else {
        expectClose(read.parameters[path], model.parameters[path], relative: 1e-6, path.name)
        continue
      }
      expectSameBits(read.parameters[path], model.parameters[path], path.name)
      #expect((model.codes(at: path) == nil) == (read.codes(at: path) == nil))
    }
  }

  @Test("activations by the batch are quantized as transformers does")
  func activations() throws {
    let token = QuantizationRule(format: "int8-half-range", granularity: .token)
    let scheme = QuantizationScheme(
      weights: QuantizationRule(format: "int8"), activations: token, keep: ["lm_head"])
    let (folder, model) = try folder(scheme)
    let read = try exporter.read(from: folder.url)
    #expect(read.scheme?.activations == token)
    expectSameBits(try SmallModel.logits(read), try SmallModel.logits(model))
  }

  @Test("layers quantized in several ways come with codes, but no scheme")
  func several() throws {
    let (folder, model) = try folder(
      QuantizationScheme(
        weights: QuantizationRule(format: "int4", granularity: .group(32)),
        exceptions: [.init("down_proj", weights: QuantizationRule(format: "e4m3"))]))
    let read = try exporter.read(from: folder.url)
    #expect(read.scheme == nil)
    for path in model.parameters.paths {
      expectSameBits(read.parameters[path], model.parameters[path], path.name)
      guard let codes = model.codes(at: path) else { continue }
      expectSame(try #require(read.codes(at: path)).codeArray, codes.codeArray, path.name)
    }
    #expect(read.language?.warnings.contains { $0.contains("several ways") } == true)
    // What has codes and no scheme is exported with them.
    let again = try TemporaryFolder()
    _ = try exporter.write(read, to: again.url, ExportOptions())
    let weights = "model.safetensors"
    let (one, two) = (
      try SafetensorsFile(contentsOf: folder.url.appendingPathComponent(weights)),
      try SafetensorsFile(contentsOf: again.url.appendingPathComponent(weights))
    )
    for name in one.names { expectSame(try two.bytes(name), try one.bytes(name), name) }
  }

  @Test("online Hadamard matrices run; others are refused")
  func rotations() throws {
    let scheme = QuantizationScheme(
      weights: QuantizationRule(format: "int8"),
      rotations: RotationRule([.feedForward], blockSize: 32))
    let (plain, model) = try folder(scheme)
    let read = try exporter.read(from: plain.url)
    #expect(read.scheme?.rotations == RotationRule([.feedForward], blockSize: 32))
    expectSameBits(try SmallModel.logits(read), try SmallModel.logits(model))
    let (whole, _) = try folder(
      QuantizationScheme(
        weights: QuantizationRule(format: "int8"), rotations: RotationRule([.feedForward])))
    #expect(throws: ExportError.self) { try exporter.read(from: whole.url) }
  }

  @Test("what is sparse, of another method or out of order is refused by name")
  func unsupported() throws {
    let scheme = QuantizationScheme(
      weights: QuantizationRule(format: "int4", granularity: .group(32)))
    let changes: [(String, (inout [String: Any]) -> Void)] = [
      ("method", { $0["quant_method"] = "gptq" }),
      ("sparse", { $0["sparsity_config"] = ["format": "sparse-24-bitmask"] }),
      ("config_groups", { $0["config_groups"] = [:] as [String: Any] }),
      ("config_groups", { $0["config_groups"] = ["a": 3] }),
      (
        "num_bits",
        { $0["config_groups"] = ["a": ["targets": ["Linear"], "weights": ["num_bits": 99]]] }
      ),
      (
        "group_size",
        {
          $0["config_groups"] = [
            "a": ["targets": ["Linear"], "weights": ["num_bits": 4, "strategy": "group"]]
          ]
        }
      ),
      (
        "group",
        {
          $0["config_groups"] = [
            "a": ["targets": ["Linear"], "weights": ["num_bits": 4, "group_size": 48]]
          ]
        }
      ),
      (
        "weight_packed",
        {
          $0["config_groups"] = [
            "a": ["targets": ["Linear"], "weights": ["num_bits": 3, "group_size": 32]]
          ]
        }
      ),
    ]
    for (word, change) in changes {
      let (folder, _) = try folder(scheme) { quantization(&$0, change) }
      do {
        _ = try exporter.read(from: folder.url)
        Issue.record("\(word): it was read")
      } catch let error as ExportError {
        #expect(error.description.contains(word), "\(error)")
      }
    }
  }

  @Test("damaged tensors are refused, whatever is wrong with them")
  func damaged() throws {
    let scheme = QuantizationScheme(
      weights: QuantizationRule(format: "int4", granularity: .group(32), isSymmetric: false))
    let layer = "model.layers.0.self_attn.q_proj"
    let changes: [(inout SafetensorsWriter, String, SafetensorsFile) throws -> Bool] = [
      { _, name, _ in name == layer + ".weight_scale" },
      { _, name, _ in name == layer + ".weight_zero_point" },
      { _, name, _ in name == "model.norm.weight" },
      { writer, name, file in
        guard name == layer + ".weight_scale" else { return false }
        let shape = try file.entry(name).shape
        writer.add(
          name, Tensor(shape, elements: [Float](repeating: -.infinity, count: shape.count)))
        return true
      },
      { writer, name, _ in
        guard name == layer + ".weight_shape" else { return false }
        writer.add(name, shape: [2], type: .int64, integers: [Int64.max, -1])
        return true
      },
      { writer, name, _ in
        guard name == layer + ".weight_packed" else { return false }
        writer.add(name, shape: [1, 1], type: .int32, bytes: [0, 0, 0, 0])
        return true
      },
      { writer, name, _ in
        guard name == "lm_head.weight_packed" else { return false }
        writer.add(name, shape: [0], type: .int32, bytes: [])
        return true
      },
    ]
    for (place, change) in changes.enumerated() {
      let (folder, _) = try folder(scheme)
      let url = folder.url.appendingPathComponent("model.safetensors")
      let file = try SafetensorsFile(contentsOf: url)
      var writer = SafetensorsWriter(metadata: file.metadata)
      for name in file.names {
        if try change(&writer, name, file) { continue }
        let entry = try file.entry(name)
        writer.add(name, shape: entry.shape, type: entry.type, bytes: try file.bytes(name))
      }
      try writer.write(to: url)
      do {
        _ = try exporter.read(from: folder.url)
        Issue.record("\(place): it was read")
      } catch {
        #expect(error is ExportError || error is CheckpointError, "\(place): \(error)")
      }
    }
  }

  @Test("our own files are held against their record: a changed range is found")
  func record() throws {
    let model = try SmallModel.shipped(
      QuantizationScheme(
        weights: QuantizationRule(format: "int8"),
        activations: QuantizationRule(format: "int8", granularity: .tensor, isDynamic: false)))
    let folder = try TemporaryFolder()
    _ = try exporter.write(model, to: folder.url, ExportOptions())
    let url = folder.url.appendingPathComponent("model.safetensors")
    let file = try SafetensorsFile(contentsOf: url)
    var writer = SafetensorsWriter(metadata: file.metadata)
    for name in file.names {
      let entry = try file.entry(name)
      if name == "lm_head.input_scale" {
        writer.add(name, Tensor([1], elements: [1]))
      } else {
        writer.add(name, shape: entry.shape, type: entry.type, bytes: try file.bytes(name))
      }
    }
    try writer.write(to: url)
    do {
      _ = try exporter.read(from: folder.url)
      Issue.record("it was read")
    } catch let error as ExportError {
      #expect(error.description.contains("lm_head.input_scale"), "\(error)")
    }
    try FileManager.default.removeItem(at: folder.url.appendingPathComponent("quantizers.gyro"))
    #expect(throws: CheckpointError.self) { try exporter.read(from: folder.url) }
  }
}
