import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@Suite("Quantized checkpoints of every format")
struct QuantizedWeightTests {
  private static let configuration = LlamaConfiguration(
    vocabulary: 32, hidden: 64, feedForward: 96, layers: 1, heads: 2, context: 16)
  private static let tokens = TokenWindow([1, 2, 3, 4, 5, 6], batch: 2, length: 3)

  static let weights: [QuantizationRule] = [
    QuantizationRule(format: "int8"), QuantizationRule(format: "int4"),
    QuantizationRule(format: "int3", granularity: .group(32), scale: .float16),
    QuantizationRule(format: "int4", granularity: .group(16), scale: .bfloat16),
    QuantizationRule(format: "int4", granularity: .group(32), isSymmetric: false),
    QuantizationRule(format: "int5", granularity: .channel, scale: .powerOfTwo),
    QuantizationRule(format: "e4m3"), QuantizationRule(format: "e3m2", granularity: .tensor),
    QuantizationRule(format: "mxfp8"), QuantizationRule(format: "mxfp6-e3m2"),
    QuantizationRule(format: "mxfp4"), QuantizationRule(format: "mxint8"),
    QuantizationRule(format: "nvfp4"), QuantizationRule(format: "nf4", granularity: .group(32)),
    QuantizationRule(format: "ternary", granularity: .tensor, estimator: "ttq"),
    QuantizationRule(format: "binary", granularity: .channel, estimator: "bwn"),
    QuantizationRule(format: "int8", granularity: .block(rows: 16, columns: 16)),
    QuantizationRule(format: "e4m3-finite", granularity: .channel, estimator: "flexible-float"),
  ]

  @Test("written, read back: the same logits, codes and scheme", arguments: weights)
  func roundTrip(_ rule: QuantizationRule) throws {
    var (model, parameters) = Llama.initialized(Self.configuration, seed: 1)
    let scheme = QuantizationScheme(
      weights: rule,
      activations: QuantizationRule(format: "int8", granularity: .tensor, range: .percentile(99.9)))
    let plan = try QuantizationPlan(scheme, for: parameters)
    var calibration = try Calibration(for: plan)
    let pass = ForwardPass(parameters, mode: .calibration, instrumentation: calibration.probe)
    _ = model(Self.tokens, pass)
    try calibration.absorb(pass.statistics)
    try plan.prepare(&parameters, with: calibration)
    let frozen = try plan.frozen(parameters)
    let expected = model(Self.tokens, ForwardPass(frozen, instrumentation: plan)).value

    let folder = try TemporaryFolder()
    try LanguageModel(model: model, parameters: frozen, scheme: scheme).write(to: folder.url)
    let read = try LanguageModel(contentsOf: folder.url)
    #expect(read.scheme == scheme)
    #expect(read.warnings.isEmpty, "\(read.warnings)")
    let again = try QuantizationPlan(scheme, for: read.parameters)
    let got = read.model(
      Self.tokens, ForwardPass(read.parameters, instrumentation: again)
    ).value
    expectSame(got.elements, expected.elements)
    for path in frozen.paths where plan.quantizer(at: path) != nil {
      let quantizer = try #require(plan.quantizer(at: path))
      let before = try #require(quantizer.codes(of: frozen[path]))
      let after = try #require(quantizer.codes(of: read.parameters[path]))
      expectSame(after.codeArray, before.codeArray, path.name)
      expectSame(after.scales.scales.elements, before.scales.scales.elements, path.name)
      guard quantizer.scaleFormat.isByte else { continue }
      let file = try SafetensorsDirectory(contentsOf: folder.url)
      expectSame(
        try file.bytes(path.name + "_scale"), quantizer.scaleFormat.codes(of: before.scales),
        path.name)
    }
  }

  @Test("one-byte scales of another type are refused", arguments: ["mxfp4", "nvfp4"])
  func scaleTypes(_ format: String) throws {
    let (model, parameters) = Llama.initialized(Self.configuration, seed: 1)
    let scheme = QuantizationScheme(
      weights: QuantizationRule(format: format), activations: nil)
    let frozen = try QuantizationPlan(scheme, for: parameters).frozen(parameters)
    let folder = try TemporaryFolder()
    try LanguageModel(model: model, parameters: frozen, scheme: scheme).write(to: folder.url)
    let file = try SafetensorsFile(contentsOf: folder.url.appending(path: "model.safetensors"))
    var writer = SafetensorsWriter(metadata: file.metadata)
    for entry in file.entries {
      if entry.name.hasSuffix("_scale"), !entry.name.hasSuffix("_global_scale") {
        writer.add(entry.name, try file.tensor(entry.name), as: .float32)
      } else {
        writer.add(
          entry.name, shape: entry.shape, type: entry.type, bytes: try file.bytes(entry.name))
      }
    }
    try writer.write(to: file.url)
    let error = #expect(throws: CheckpointError.self) {
      try LanguageModel(contentsOf: folder.url)
    }
    guard case .malformedTensor(_, let tensor, let expected, let found)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(tensor.hasSuffix("_scale") && found.hasPrefix("F32, shape ["))
    #expect(expected.hasSuffix(format == "mxfp4" ? "F8_E8M0" : "F8_E4M3"))
  }
}
