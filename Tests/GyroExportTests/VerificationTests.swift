import Foundation
import GyroCheckpoints
import GyroExport
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@Suite("Proof that a file holds what was trained")
struct VerificationTests {
  private static let exporters: [(name: String, file: String)] = [
    ("safetensors", ""), ("mlx", ""), ("compressed-tensors", ""), ("gguf", "model.gguf"),
    ("onnx", "model.onnx"),
  ]

  @Test(
    "a loss that was allowed and measured passes; one that nobody reported does not",
    arguments: exporters)
  func loss(_ name: String, _ file: String) throws {
    let model = try ShippedModel(
      LanguageModel(model: SmallModel.llama().model, parameters: SmallModel.llama().parameters))
    let folder = try TemporaryFolder()
    let target = file.isEmpty ? folder.url : folder.url.appendingPathComponent(file)
    let report = try Exporters.named(name).write(
      model, to: target, ExportOptions(floatType: .bfloat16, allowsLoss: true))
    #expect(!report.isExact)
    let copy = try ReadBack(target)
    let proof = try Verification(of: copy, against: model, report: report)
    #expect(proof.passes, "\(proof.summary)")
    #expect(proof.layers.contains { $0.promised?.hasSuffix("as reported") ?? false })
    #expect(try !Verification(of: copy, against: model).passes)
  }

  @Test("a number that is not the trained one fails, with the layer's name")
  func changed() throws {
    let model = try ShippedModel(
      LanguageModel(model: SmallModel.llama().model, parameters: SmallModel.llama().parameters))
    var other = SmallModel.llama().parameters
    let path: ParameterPath = "model.layers.0.mlp.up_proj.weight"
    var elements = other[path].elements
    elements[7] = elements[7].nextUp
    other[path] = Tensor(other[path].shape, elements: elements)
    let folder = try TemporaryFolder()
    let report = try PlainExporter().write(
      ShippedModel(LanguageModel(model: SmallModel.llama().model, parameters: other)),
      to: folder.url, ExportOptions())
    #expect(report.isExact)
    let proof = try Verification(of: ReadBack(folder.url), against: model, report: report)
    #expect(!proof.passes)
    #expect(proof.layers.filter { !$0.passes }.map(\.path) == [path.name])
    #expect(proof.layers.reduce(0) { $0 + $1.values } == 1)
    #expect(proof.summary.hasPrefix("FAIL safetensors"))
  }
}
