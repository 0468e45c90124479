import GyroQuantization
import GyroTensors
import Testing

@Suite("A tensor remembers the codes it follows from")
struct EncodedTensorTests {
  private func quantized() throws -> QuantizedTensor {
    var random = RandomStream(seed: 31)
    return try Quantizer(Minifloat.e2m1, .group(16), scaleFormat: .e4m3)
      .quantized(random.normal([4, 32]))
  }

  @Test("values are those of the codes, and copies and reshaped tensors keep the codes")
  func remembers() throws {
    let codes = try quantized()
    let tensor = Tensor([4, 32], decoding: codes)
    let known = try #require(tensor.encoded as? QuantizedTensor)
    #expect(known.codeArray == codes.codeArray)
    #expect(tensor.elements == codes.tensor.elements)
    let copy = tensor
    #expect(copy.encoded != nil && copy.reshaped([8, 16]).encoded != nil)
    #expect(tensor.wholeGrid == nil)
  }

  @Test("parts, other orders, copies and changed tensors are plain numbers")
  func forgets() throws {
    var tensor = Tensor([4, 32], decoding: try quantized())
    let before = tensor.elements
    #expect(tensor.transposed().encoded == nil)
    #expect(tensor.sliced(axis: 0, 0..<2).encoded == nil)
    #expect(tensor.copied().encoded == nil)
    let snapshot = tensor
    tensor.scale(by: 2)
    #expect(tensor.encoded == nil)
    #expect(snapshot.encoded != nil && snapshot.elements == before)
  }

  @Test("an integer grid is one such source, and shorter rows share their row's scale")
  func grids() throws {
    var random = RandomStream(seed: 32)
    let x = random.normal([6, 32])
    let whole = try Quantizer(IntegerFormat.int8, .tensor).projected(x)
    #expect(whole.encoded is IntegerGrid)
    #expect(whole.wholeGrid?.rows == 1)
    let grid = try #require(whole.grid)
    #expect(grid.rows == 6 && Set(grid.scaleArray).count == 1)
    #expect(grid.codeArray == whole.wholeGrid?.codeArray)
    let rows = try Quantizer(IntegerFormat.int8, .channel).projected(x)
    let cut = try #require(rows.reshaped([12, 16]).grid)
    #expect(cut.scaleArray == rows.grid!.scaleArray.flatMap { [$0, $0] })
    #expect(rows.reshaped([4, 48]).grid == nil)
    #expect(rows.reshaped([4, 48]).wholeGrid?.rows == 6)
  }
}
