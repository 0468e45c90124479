import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@testable import GyroExport

@Suite("Bytes of the library compressed-tensors")
struct CompressedTensorsGoldenTests {
  /// Presets of the library, as rules of ours: min–max with its divisors.
  static let presets: [(name: String, rule: QuantizationRule)] = [
    ("W4A16", QuantizationRule(format: "int4-half-range", granularity: .group(32))),
    ("W4A16_ASYM", QuantizationRule(format: "int4", granularity: .group(32), isSymmetric: false)),
    ("W8A8", QuantizationRule(format: "int8-half-range", granularity: .channel)),
    ("FP8_DYNAMIC", QuantizationRule(format: "e4m3", granularity: .channel)),
    ("FP8", QuantizationRule(format: "e4m3", granularity: .tensor)),
    ("NVFP4A16", QuantizationRule(format: "nvfp4")),
    ("MXFP4A16", QuantizationRule(format: "mxfp4")),
    ("MXFP8A16", QuantizationRule(format: "mxfp8")),
  ]

  private func quantizer(_ rule: QuantizationRule) throws -> Quantizer {
    let format = try #require(FormatNames.format(rule.element))
    return try Quantizer(
      format, rule.granularity, scaleFormat: rule.scale, isSymmetric: rule.isSymmetric)
  }

  /// The library's tensors of a preset in a folder of their own.
  private func reader(
    _ preset: String, _ rule: QuantizationRule, _ folder: URL
  ) throws -> (reader: CompressedWeightReader, golden: [String: Any], shape: Shape) {
    let all = try golden("compressed_tensors.json")
    let shape = Shape(all["shape"] as? [Int] ?? [])
    let golden = try #require(all[preset] as? [String: Any])
    var writer = SafetensorsWriter()
    let types: [String: ScalarType] = [
      "float32": .float32, "int32": .int32, "int64": .int64, "int8": .int8, "uint8": .uint8,
      "float8_e4m3fn": .float8E4M3,
    ]
    for (name, value) in golden["tensors"] as? [String: [String: Any]] ?? [:] {
      writer.add(
        "layer." + name, shape: Shape(value["shape"] as? [Int] ?? []),
        type: types[value["dtype"] as? String ?? ""]!, bytes: bytes(value["hex"] as? String ?? ""))
    }
    try writer.write(toDirectory: folder)
    let layout = try CompressedLayout(quantizer(rule), inputs: nil)
    return (
      CompressedWeightReader(
        name: "layer", shape: shape, arguments: layout.weights,
        files: try SafetensorsDirectory(contentsOf: folder)),
      golden, shape
    )
  }

  @Test("its tensors decode to its own numbers", arguments: presets.indices)
  func decoding(_ index: Int) throws {
    let (name, rule) = Self.presets[index]
    let folder = try TemporaryFolder()
    let (reader, golden, _) = try reader(name, rule, folder.url)
    let expected = (golden["decompressed"] as? [Double] ?? []).map { Float($0) }
    let values = try reader.codes().tensor.elements
    if name.hasPrefix("NVFP4") {
      // The library rounds these to bfloat16.
      expectClose(values, expected, relative: 0x1p-8)
    } else {
      expectSame(values, expected, name)
    }
    // Under a rule of ours they are the same codes.
    expectSame(try reader.codes(quantizer(rule)).tensor.elements, values, name)
  }

  @Test("written again, its tensors are the same bytes", arguments: presets.indices)
  func encoding(_ index: Int) throws {
    let (name, rule) = Self.presets[index]
    let (one, two) = (try TemporaryFolder(), try TemporaryFolder())
    let (reader, _, shape) = try reader(name, rule, one.url)
    let quantizer = try quantizer(rule)
    let value = quantizer.tensor(of: try reader.codes(quantizer))
    // Bytes beside quantized activations, words without.
    let isInteger = reader.files.contains("layer.weight") && quantizer.format is IntegerFormat
    let module = CompressedModules.Module(
      name: "layer", weight: "layer.weight",
      layout: try CompressedLayout(
        quantizer, inputs: nil, storage: isInteger ? "int-quantized" : nil),
      inputs: nil, site: nil)
    var writer = SafetensorsWriter()
    let weight = try CompressedWeight(module, value, scheme: quantizer, scaleType: .float32)
    #expect(weight.shape == shape)
    _ = weight.add(to: &writer)
    try writer.write(toDirectory: two.url)
    let written = try SafetensorsDirectory(contentsOf: two.url)
    expectSame(written.names, reader.files.names)
    for tensor in written.names {
      #expect(try written.entry(tensor).type == reader.files.entry(tensor).type)
      #expect(try written.entry(tensor).shape == reader.files.entry(tensor).shape)
      expectSame(try written.bytes(tensor), try reader.files.bytes(tensor), tensor)
    }
  }

  @Test("min–max under half-range spans gives its scales and codes", arguments: ["W4A16", "W8A8"])
  func halfRange(_ name: String) throws {
    let rule = try #require(Self.presets.first { $0.name == name }).rule
    let folder = try TemporaryFolder()
    let (reader, _, shape) = try reader(name, rule, folder.url)
    let all = try golden("compressed_tensors.json")
    let weight = Tensor(shape, elements: (all["weight"] as? [Double] ?? []).map { Float($0) })
    let quantizer = try quantizer(rule)
    let mine = try quantizer.quantized(weight)
    let golden = try reader.codes(quantizer)
    // Groups of zeros have a scale of 1 here and the least one there.
    let scales = zip(mine.scales.scales.elements, golden.scales.scales.elements)
    #expect(scales.allSatisfy { $0 == $1 || $0 == 1 && $1 < 1e-6 })
    expectSame(mine.codeArray, golden.codeArray)
  }

  @Test("numbers of 2 to 8 bits in words")
  func words() throws {
    let all = try golden("compressed_tensors.json")
    let cases = try #require(all["pack_to_int32"] as? [[String: Any]])
    #expect(!cases.isEmpty)
    for item in cases {
      let bits = try #require(item["bits"] as? Int)
      let shape = try #require(item["shape"] as? [Int])
      let values = try #require(item["values"] as? [Int])
      let half = 1 << (bits - 1)
      let rows = CompressedWeight.packing(rows: shape[0], columns: shape[1], bits: bits)
      let packed = rows.packed(values.map { UInt8($0 + half) }, by: (0..<256).map { UInt8($0) })
      expectSame(packed, bytes(item["hex"] as? String ?? ""), "\(bits) bits")
      var back = [UInt8](repeating: 0, count: values.count)
      back.withUnsafeMutableBufferPointer { rows.unpack(packed, into: $0.baseAddress!) }
      expectSame(back.map { Int($0) - half }, values)
    }
  }

  static let activationRules: [(name: String, rule: QuantizationRule)] = [
    ("int8 token", QuantizationRule(format: "int8-half-range", granularity: .token)),
    ("int4 token", QuantizationRule(format: "int4-half-range", granularity: .token)),
    ("int8 tensor", QuantizationRule(format: "int8-half-range", granularity: .tensor)),
    ("int8 group-16", QuantizationRule(format: "int8-half-range", granularity: .group(16))),
    (
      "int8 token asymmetric",
      QuantizationRule(format: "int8", granularity: .token, isSymmetric: false)
    ),
    (
      "int4 token asymmetric",
      QuantizationRule(format: "int4", granularity: .token, isSymmetric: false)
    ),
    ("e4m3 token", QuantizationRule(format: "e4m3", granularity: .token)),
    ("e4m3 tensor", QuantizationRule(format: "e4m3", granularity: .tensor)),
    ("e4m3 group-32", QuantizationRule(format: "e4m3", granularity: .group(32))),
  ]

  @Test("activations that it quantizes by the batch", arguments: activationRules.indices)
  func activations(_ index: Int) throws {
    let (name, rule) = Self.activationRules[index]
    let all = try golden("compressed_tensors_activations.json")
    let x = Tensor(
      Shape(all["shape"] as? [Int] ?? []), elements: floats(all["input"] as? String ?? ""))
    let cases = try #require(all["cases"] as? [String: String])
    let expected = floats(try #require(cases[name]))
    let values = try quantizer(rule).projected(x).elements
    #expect(values.count == expected.count && values.count == 6 * 64)
    // It keeps the sign of zero, which no product sees.
    expectSame(values.map { $0 + 0 }, expected.map { $0 + 0 }, name)
  }
}
