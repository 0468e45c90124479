import Foundation
import GyroCheckpoints
import GyroTensors
import Synchronization
import TestSupport
import Testing

@Suite("Tensors of 16 bits in files")
struct HalfTensorTests {
  private let values: [Float] = [0, -0.0, 1, -2.5, 6.1035156e-05, 65280, .infinity, -.infinity]

  @Test(
    "they keep their bits until looked at, and are written as they are",
    arguments: [ScalarType.float16, .bfloat16])
  func copying(_ type: ScalarType) throws {
    let folder = try TemporaryFolder()
    let (first, second) = (
      folder.url.appendingPathComponent("a.safetensors"),
      folder.url.appendingPathComponent("b.safetensors")
    )
    var writer = SafetensorsWriter()
    writer.add("x", type.rounded(Tensor([2, 4], elements: values)), as: type)
    try writer.write(to: first)
    let tensor = try SafetensorsFile(contentsOf: first).tensor("x")
    #expect(tensor.halfElements?.count == 8)
    var again = SafetensorsWriter()
    again.add("x", tensor, as: type)
    try again.write(to: second)
    #expect(tensor.halfElements != nil)
    #expect(try Data(contentsOf: first) == Data(contentsOf: second))
    #expect(type.holds(tensor) && ScalarType.narrowest(holding: [tensor]) == .bfloat16)
    var wide = SafetensorsWriter()
    wide.add("x", tensor)
    try wide.write(to: second)
    expectSameBits(try SafetensorsFile(contentsOf: second).tensor("x"), tensor)
    #expect(tensor.halfElements == nil)
  }

  @Test("what is read stays, whatever becomes of the file")
  func fileGone() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appendingPathComponent("a.safetensors")
    var writer = SafetensorsWriter()
    writer.add("x", Tensor([8], elements: values), as: .bfloat16)
    try writer.write(to: url)
    let file = try SafetensorsFile(contentsOf: url)
    let tensor = try file.tensor("x")
    try FileHandle(forWritingTo: url).truncate(atOffset: 0)
    #expect(tensor.elements.prefix(4) == [0, 0, 1, -2.5])
    #expect(throws: CheckpointError.changedFile(file: url.path)) { try file.tensor("x") }
  }

  @Test("the narrowest type is that of the number that needs most")
  func narrowest() {
    func type(_ values: [Float]) -> ScalarType {
      .narrowest(holding: values.map { Tensor([1], elements: [$0]) })
    }
    #expect(type([1, 0x1p100]) == .bfloat16)
    #expect(type([1, 1 + 0x1p-10]) == .float16)
    #expect(type([0x1p100, 1 + 0x1p-10]) == .float32)
    #expect(type([0.1]) == .float32)
    #expect(type([]) == .bfloat16)
  }

  @Test("what belongs to the weights is written just before them, and can still stop them")
  func finishing() throws {
    struct Stop: Error {}
    let folder = try TemporaryFolder()
    var writer = SafetensorsWriter()
    for name in ["a", "b", "c"] { writer.add(name, Tensor([8], elements: values)) }
    let told = Mutex<[Int]>([])
    writer.progress = { done, total in told.withLock { $0.append(100 * done / total) } }
    let manager = FileManager.default
    func files() throws -> [String] {
      try manager.contentsOfDirectory(atPath: folder.url.path).sorted()
    }
    #expect(throws: Stop.self) {
      try writer.write(toDirectory: folder.url) { throw Stop() }
    }
    #expect(try files() == [])
    #expect(told.withLock { $0 } == [33, 66, 100])
    try writer.write(toDirectory: folder.url, maximumShardBytes: 40)
    #expect(try files().count == 4)
    #expect(throws: Stop.self) {
      try writer.write(toDirectory: folder.url) { throw Stop() }
    }
    #expect(try files().count == 4)
    #expect(try SafetensorsDirectory(contentsOf: folder.url).names == ["a", "b", "c"])
    try writer.write(toDirectory: folder.url)
    #expect(try files() == ["model.safetensors"])
  }
}
