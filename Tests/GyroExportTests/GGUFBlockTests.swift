import Foundation
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@testable import GyroExport

@Suite("Blocks of GGUF")
struct GGUFBlockTests {
  private struct Golden: Decodable {
    let type: UInt32
    let block: [Int]
    let bytes: String
    let values: String
  }

  /// Made by `Goldens/gguf_goldens.py` with the `gguf` package.
  private static func goldens() throws -> [String: Golden] {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Goldens/gguf.json")
    return try JSONDecoder().decode([String: Golden].self, from: Data(contentsOf: file))
  }

  private static func bytes(_ text: String) -> [UInt8] {
    let digits = Array(text.utf8)
    return stride(from: 0, to: digits.count, by: 2).map {
      UInt8(String(decoding: digits[$0...$0 + 1], as: UTF8.self), radix: 16)!
    }
  }

  @Test("Every type's values are those of the gguf package, bit for bit")
  func values() throws {
    for (name, golden) in try Self.goldens() {
      let type = try #require(GGUFType(rawValue: golden.type))
      #expect(type.name == name)
      #expect([type.blockSize, type.blockBytes] == golden.block)
      let bytes = Self.bytes(golden.bytes)
      let expected = GGUFValue.numbers(.float32, Self.bytes(golden.values)).floats!
      var values = [Float](repeating: .nan, count: expected.count)
      var block = GGUFBlock(type)
      values.withUnsafeMutableBufferPointer { values in
        bytes.withUnsafeBufferPointer { bytes in
          for index in 0..<expected.count / type.blockSize {
            block.read(bytes.baseAddress! + index * type.blockBytes)
            block.decode(into: values.baseAddress! + index * type.blockSize)
          }
        }
      }
      // Two zeros of E2M1 are one whole number to ggml.
      expectSame(values.map { ($0 + 0).bitPattern }, expected.map { ($0 + 0).bitPattern }, name)
    }
  }

  @Test("Writing a block that was read gives its bytes again")
  func bytes() throws {
    for (name, golden) in try Self.goldens() where name != "Q5_K" {
      let type = try #require(GGUFType(rawValue: golden.type))
      let bytes = Self.bytes(golden.bytes)
      var again = [UInt8](repeating: 0xaa, count: bytes.count)
      var block = GGUFBlock(type)
      again.withUnsafeMutableBufferPointer { again in
        bytes.withUnsafeBufferPointer { bytes in
          for start in stride(from: 0, to: bytes.count, by: type.blockBytes) {
            block.read(bytes.baseAddress! + start)
            block.write(again.baseAddress! + start)
          }
        }
      }
      expectSame(again, bytes, name)
    }
  }

  @Test("A row of known codes becomes known bytes")
  func packing() throws {
    let codes = PooledBuffer(byteCount: 32)
    let pointer = codes.pointer.assumingMemoryBound(to: UInt8.self)
    for place in 0..<32 { pointer[place] = UInt8((place + 8) % 16) }  // 8 is −8, 7 is 7
    let weight = QuantizedTensor(
      shape: [1, 32], format: IntegerFormat.int4, granularity: .channel, scaleFormat: .float16,
      codes: codes, scales: GroupScales(scales: Tensor([1], elements: [0.5])))
    let traits = GGUFWeightTraits(
      "w", [1, 32], format: weight.format, granularity: .channel, scaleFormat: .float16,
      isSymmetric: true)
    func packed(_ type: GGUFType) -> [UInt8] {
      let packer = GGUFPacker(weight, traits, as: type, rowOrder: nil)
      var bytes = [UInt8](repeating: 0, count: packer.rowBytes)
      bytes.withUnsafeMutableBufferPointer { packer.pack(0..<1, into: $0.baseAddress!) }
      return bytes
    }
    // Elements j and j + 16 are both j − 8: a nibble each, offset by 8.
    expectSame(packed(.q40), [0, 0x38] + (0..<16).map { UInt8($0 * 17) }, "Q4_0")
    expectSame(
      packed(.q80), [0, 0x38] + (0..<32).map { UInt8(bitPattern: Int8($0 % 16 - 8)) }, "Q8_0")
    // m = −8 · 0.5 = −4
    expectSame(packed(.q41), [0, 0x38, 0, 0xc4] + (0..<16).map { UInt8($0 * 17) }, "Q4_1")
    // Offset by 16: nibbles 8…15 with bit 4 clear, then 0…7 with bit 4 set.
    expectSame(
      packed(.q50),
      [0, 0x38, 0, 0xff, 0, 0xff] + (0..<16).map { UInt8(($0 + 8) % 16 * 17) }, "Q5_0")
    for type in [GGUFType.q40, .q41, .q50, .q51, .q80] {
      let stored = GGUFPacker(weight, traits, as: type, rowOrder: nil).stored
      expectSameBits(stored, weight.tensor, type.name)
    }
  }

  @Test("Formats are whole numbers exactly when their values are multiples of one power of two")
  func lattices() throws {
    func lattice(_ name: String) -> GGUFLattice? {
      GGUFLattice(FormatNames.format(name)!, isSymmetric: true)
    }
    #expect(lattice("int4")?.range == -8...7)
    #expect(lattice("ternary")?.range == -1...1)
    #expect(lattice("binary")?.range == -1...1)
    let powers = try #require(lattice("pot4"))
    #expect(powers.range == -64...64 && powers.unit == 1 / 64)
    for name in ["nf4", "e4m3", "e2m1"] { #expect(lattice(name) == nil, "\(name)") }
    for name in ["int2", "int5", "ternary", "pot4"] {
      let format = FormatNames.format(name)!, lattice = try #require(lattice(name))
      for (code, number) in lattice.numbers.enumerated() {
        guard let number else { continue }
        #expect(Float(number) * lattice.unit == format.decode(UInt8(code)))
        #expect(lattice.codes[Int(number) - lattice.range.lowerBound] == UInt8(code))
      }
    }
  }
}
