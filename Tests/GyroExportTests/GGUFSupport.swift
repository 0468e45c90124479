import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors
import GyroText
import TestSupport
import Testing

@testable import GyroExport

/// Small models and files for the tests of GGUF.
enum GGUFSupport {
  /// Rows of 256 (queries, keys, values, gate, up, table) and of 32 (output, down).
  static func configuration(_ family: LlamaConfiguration.Family = .llama) -> LlamaConfiguration {
    var configuration = LlamaConfiguration(
      vocabulary: 24, hidden: 256, feedForward: 32, layers: 1, heads: 2, keyValueHeads: 1,
      headSize: 16, context: 32)
    configuration.family = family
    configuration.tiedEmbeddings = true
    configuration.queryKeyNorm = family == .qwen3
    configuration.queryKeyValueBias = family == .qwen2
    configuration.initializerDeviation = 0.3
    return configuration
  }

  static func model(
    _ scheme: QuantizationScheme?, _ configuration: LlamaConfiguration = configuration(),
    tokenizer: Tokenizer? = nil, changing change: (inout ParameterStore) -> Void = { _ in }
  ) throws -> ShippedModel {
    var (model, parameters) = Llama.initialized(configuration, seed: 3)
    // Offsets start at zero, which no order of rows would change.
    for path in parameters.paths where parameters.parameter(at: path)?.kind == .bias {
      let count = parameters[path].count
      parameters[path] = Tensor([count], elements: (0..<count).map { Float($0) / 8 })
    }
    if let scheme, let plan = try? QuantizationPlan(scheme, for: parameters) {
      try plan.prepare(&parameters, with: try calibration(plan, model, parameters))
    }
    change(&parameters)
    return try ShippedModel(
      LanguageModel(model: model, parameters: parameters, tokenizer: tokenizer, scheme: scheme))
  }

  private static func calibration(
    _ plan: QuantizationPlan, _ model: Llama, _ parameters: ParameterStore
  ) throws -> Calibration? {
    guard plan.needsCalibration else { return nil }
    var calibration = try Calibration(for: plan)
    let pass = ForwardPass(parameters, mode: .calibration, instrumentation: calibration.probe)
    _ = model(TokenWindow((0..<8).map { Int32($0) }, batch: 1, length: 8), pass)
    try calibration.absorb(pass.statistics)
    return calibration
  }

  static func weights(
    _ format: String, _ granularity: Granularity? = nil, _ scale: ScaleFormat? = nil,
    symmetric: Bool = true
  ) -> QuantizationScheme {
    QuantizationScheme(
      weights: QuantizationRule(
        format: format, granularity: granularity, scale: scale, isSymmetric: symmetric))
  }

  /// A scheme for the table alone, whose rows of 256 take groups of any size.
  static func table(
    _ format: String, _ granularity: Granularity? = nil, _ scale: ScaleFormat? = nil,
    symmetric: Bool = true
  ) -> QuantizationScheme {
    QuantizationScheme(
      embeddings: QuantizationRule(
        format: format, granularity: granularity, scale: scale, isSymmetric: symmetric))
  }

  /// Calls `body` with the URL of a file in a folder of its own, which is removed afterwards.
  static func withFile<Result>(_ body: (URL) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("gguf-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder.appendingPathComponent("model.gguf"))
  }

  static func exists(_ file: URL) -> Bool { FileManager.default.fileExists(atPath: file.path) }

  /// What the model becomes by way of a file, and what the report says.
  static func roundTrip(
    _ model: ShippedModel, _ options: ExportOptions = ExportOptions()
  ) throws -> (ShippedModel, ExportReport) {
    try withFile { file in
      let report = try GGUFExporter().write(model, to: file, options)
      return (try GGUFExporter().read(from: file), report)
    }
  }

  /// The worst answer to the demands of a model's weights.
  static func fidelity(
    _ model: ShippedModel, _ options: ExportOptions = ExportOptions()
  ) -> Fidelity {
    model.demands.map { GGUFExporter().fidelity(of: $0, options) }.max() ?? .exact
  }

  /// Expects codes, scales, zero points and values to have the same bits.
  static func expectSame(
    _ one: ShippedModel, _ other: ShippedModel, _ name: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    for path in one.parameters.paths {
      guard other.parameters.contains(path) else {
        Issue.record("\(name): no \(path)", sourceLocation: sourceLocation)
        continue
      }
      expectSameBits(
        other.parameters[path], one.parameters[path], "\(name): \(path)",
        sourceLocation: sourceLocation)
      guard let expected = one.codes(at: path) else { continue }
      guard let codes = other.codes(at: path) else {
        Issue.record("\(name): no codes at \(path)", sourceLocation: sourceLocation)
        continue
      }
      // Learned levels come under the scheme's name.
      let numbers = { (tensor: QuantizedTensor) in
        (0..<1 << expected.format.bits).map { tensor.format.decode(UInt8($0)).bitPattern }
      }
      #expect(
        numbers(codes) == numbers(expected) && codes.granularity == expected.granularity,
        "\(name): \(path)", sourceLocation: sourceLocation)
      TestSupport.expectSame(
        codes.codeArray, expected.codeArray, "\(name): codes of \(path)",
        sourceLocation: sourceLocation)
      expectSameBits(
        codes.scales.scales, expected.scales.scales, "\(name): scales of \(path)",
        sourceLocation: sourceLocation)
      #expect(codes.scales.tensorScale == expected.scales.tensorScale)
      #expect(codes.scales.zeroPoints?.elements == expected.scales.zeroPoints?.elements)
    }
  }
}
