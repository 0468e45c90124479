import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@testable import GyroExport

@Suite("Trained codes in GGUF")
struct GGUFRoundTripTests {
  private typealias Support = GGUFSupport

  /// Schemes, and the storage of a row of 256 and of a row of 32 under each.
  private static let exact: [(QuantizationScheme, wide: String, narrow: String)] = [
    (Support.weights("int8", .group(32), .float16), "Q8_0", "Q8_0"),
    (Support.weights("int8-restricted", .channel, .float16), "Q8_0", "Q8_0"),
    (Support.weights("int6", .channel, .float16), "Q6_K", "Q8_0"),
    (Support.weights("int5", .tensor, .bfloat16), "Q5_0", "Q5_0"),
    (Support.weights("int4", .group(32), .float16), "Q4_0", "Q4_0"),
    (Support.weights("int4", .block(rows: 8, columns: 32), .float16), "Q4_0", "Q4_0"),
    (Support.weights("int4", .group(16), .float16), "F32", "F32"),
    (Support.weights("int3", .channel, .powerOfTwo), "Q4_0", "Q4_0"),
    (Support.weights("int2", .group(32), .float16), "Q4_0", "Q4_0"),
    (Support.weights("ternary", .tensor, .float16), "Q4_0", "Q4_0"),
    (Support.weights("binary", .channel, .float16), "Q4_0", "Q4_0"),
    (Support.weights("pot4", .channel, .float16), "Q8_0", "Q8_0"),
    (Support.weights("int4", .channel, .float16, symmetric: false), "Q4_K", "Q5_0"),
    (Support.weights("int4", .group(32), .float16, symmetric: false), "Q5_0", "Q5_0"),
    (Support.weights("int4", .group(32), .powerOfTwo, symmetric: false), "Q4_1", "Q4_1"),
    (Support.weights("int5", .channel, .float16, symmetric: false), "Q6_K", "Q8_0"),
    (Support.weights("int7", .tensor, .float16, symmetric: false), "Q8_0", "Q8_0"),
    (Support.weights("int8", .channel, .float16, symmetric: false), "F32", "F32"),
    (Support.weights("mxfp4"), "MXFP4", "MXFP4"),
    (Support.weights("e2m1", .channel, .powerOfTwo), "MXFP4", "MXFP4"),
    (Support.weights("mxfp8"), "BF16", "BF16"),
    (Support.weights("mxint8"), "Q8_0", "Q8_0"),
    (Support.weights("nf4", .group(32)), "F32", "F32"),
    (Support.weights("e4m3", .channel), "F32", "F32"),
    (Support.weights("nvfp4"), "NVFP4", "F32"),
  ]

  @Test("What fidelity calls exact comes back bit for bit, in the block meant for it")
  func exactSchemes() throws {
    for (scheme, wide, narrow) in Self.exact {
      let name = scheme.summary
      let model = try Support.model(scheme)
      #expect(Support.fidelity(model) == .exact, "\(name)")
      let (back, report) = try Support.roundTrip(model)
      #expect(report.isExact && report.fingerprint == scheme.fingerprint, "\(name)")
      #expect(back.scheme == scheme, "\(name)")
      Support.expectSame(model, back, name)
      func storage(_ suffix: String) -> String? {
        report.entries.first { $0.path.hasSuffix(suffix) }?.storage
      }
      #expect(storage("up_proj.weight") == wide, "\(name)")
      #expect(storage("down_proj.weight") == narrow, "\(name)")
    }
  }

  @Test("Groups of whole blocks, of tables as well, are exact in the blocks a user asks for")
  func forcedBlocks() throws {
    let cases: [(QuantizationScheme, String)] = [
      (Support.table("int4", .group(256), .float16, symmetric: false), "q4_k"),
      (Support.table("int4", .group(256), .float16), "q4_k"),
      (Support.table("int3", .channel, .float16), "q4_k"),
      (Support.table("int4", .group(64), .float16), "q4_1"),
      (Support.table("int5", .group(128), .float16), "q5_1"),
      (Support.table("int2", .tensor, .float16), "q6_k"),
      (Support.table("ternary", .channel, .float16), "tq2_0"),
      (Support.table("ternary", .group(256), .float16), "tq1_0"),
      (Support.table("int4", .group(32), .float16), "q8_0"),
      (Support.table("int4", .group(32), .float16), "f32"),
      (Support.table("mxfp4"), "mxfp4"), (Support.table("mxfp4"), "bf16"),
    ]
    for (scheme, storage) in cases {
      let model = try Support.model(scheme)
      let options = ExportOptions(storage: storage)
      let (back, report) = try Support.roundTrip(model, options)
      #expect(report.isExact && report.entries[0].storage == storage.uppercased(), "\(storage)")
      Support.expectSame(model, back, "\(scheme.summary) as \(storage)")
    }
  }

  @Test("Rounded scales are refused unless allowed, and stay within what fidelity says")
  func roundedScales() throws {
    let cases: [(QuantizationScheme, String?)] = [
      (Support.weights("int8", .channel), nil), (Support.weights("int4", .group(32)), nil),
      (Support.weights("int4", .channel, symmetric: false), nil),
      (Support.weights("int4", .group(32), .float16, symmetric: false), "q4_1"),
    ]
    for (scheme, storage) in cases {
      let model = try Support.model(scheme)
      var options = ExportOptions(storage: storage)
      guard case .within(let error, _) = Support.fidelity(model, options) else {
        Issue.record("\(scheme.summary) should be rounded")
        continue
      }
      #expect(error == 0x1p-11)
      try Support.withFile { file in
        #expect(throws: ExportError.self) { try GGUFExporter().write(model, to: file, options) }
        #expect(!Support.exists(file))
      }
      options.allowsLoss = true
      let (back, report) = try Support.roundTrip(model, options)
      #expect(!report.isExact)
      for path in model.parameters.paths {
        guard let codes = model.codes(at: path), let got = back.codes(at: path) else { continue }
        expectSame(got.codeArray, codes.codeArray, "\(path)")
        expectClose(
          got.scales.scales.elements, codes.scales.scales.elements, relative: error, absolute: 0)
      }
    }
  }

  @Test("Scales beyond half precision leave blocks for plain numbers, and nothing is lost")
  func extremeScales() throws {
    for scale in [ScaleFormat.powerOfTwo, .bfloat16] {
      var model = try Support.model(Support.weights("int4", .channel, scale)).language!
      for path in model.parameters.paths where path.name.hasSuffix("gate_proj.weight") {
        let small = model.parameters[path].elements.map { $0 * 0x1p-24 }
        model.parameters[path] = Tensor(model.parameters[path].shape, elements: small)
      }
      let shipped = try ShippedModel(model)
      let (back, report) = try Support.roundTrip(shipped)
      #expect(report.isExact)
      let storage = report.entries.first { $0.path.hasSuffix("gate_proj.weight") }!.storage
      #expect(storage == (scale == .powerOfTwo ? "BF16" : "F32"))
      Support.expectSame(shipped, back, "\(scale)")
    }
  }

  @Test("Learned codebooks, learned clips and calibrated ranges come back with the model")
  func learnedStates() throws {
    let scheme = QuantizationScheme(
      weights: QuantizationRule(
        format: "ternary", granularity: .tensor, scale: .float16, estimator: "ttq"),
      activations: QuantizationRule(format: "int8", granularity: .tensor, isDynamic: false))
    let model = try Support.model(scheme) { parameters in
      let path: ParameterPath = "model.layers.0.mlp.up_proj.weight_negative"
      parameters[path] = parameters[path] * 1.3
    }
    let (back, report) = try Support.roundTrip(model)
    let levels = try #require(model.codes(at: "model.layers.0.mlp.up_proj.weight")?.format.lowest)
    #expect((-1.4 ... -1.2).contains(levels))
    #expect(report.notes.contains { $0.contains("llama.cpp quantizes activations itself") })
    let states = try #require(model.plan?.siteStatePaths)
    #expect(!states.isEmpty)
    for path in states { expectSameBits(back.parameters[path], model.parameters[path]) }
    Support.expectSame(model, back, scheme.summary)
  }

  @Test("The same model gives the same bytes")
  func determinism() throws {
    let model = try Support.model(Support.weights("int4", .group(32), .float16))
    let bytes = try (0..<2).map { _ in
      try Support.withFile { file in
        _ = try GGUFExporter().write(model, to: file, ExportOptions())
        return [UInt8](try Data(contentsOf: file))
      }
    }
    #expect(bytes[0].elementsEqual(bytes[1]))
  }
}
