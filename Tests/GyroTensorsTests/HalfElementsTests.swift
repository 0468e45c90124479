import GyroTensors
import TestSupport
import Testing

@Suite("Tensors of 16-bit numbers")
struct HalfElementsTests {
  /// bfloat16 numbers 0, 1, … with the Float32 tensor they stand for.
  private func pair(_ shape: Shape) -> (half: Tensor, plain: Tensor) {
    let values = (0..<shape.count).map { Float($0 % 251) - 100 }
    let bits = PooledBuffer(byteCount: 2 * shape.count)
    for (place, value) in values.enumerated() {
      bits.pointer.storeBytes(
        of: UInt16(value.bitPattern >> 16), toByteOffset: 2 * place, as: UInt16.self)
    }
    let half = HalfElements(.bfloat16, count: shape.count, bits: bits)
    return (Tensor(shape, decoding: half), Tensor(shape, elements: values))
  }

  @Test("they are what a plain tensor is, whoever looks, and remember nothing once looked at")
  func looking() {
    let (half, plain) = pair([6, 8])
    #expect(half.halfElements != nil && half.encoded == nil && half.grid == nil)
    expectSameBits(half.transposed(), plain.transposed())
    #expect(half.halfElements == nil)
    let (other, _) = pair([6, 8])
    #expect(other[2, 3] == plain[2, 3])
    expectSameBits(pair([6, 8]).half.sliced(axis: 0, 2..<4), plain.sliced(axis: 0, 2..<4))
    expectSameBits(pair([6, 8]).half.sliced(axis: 1, 2..<4), plain.sliced(axis: 1, 2..<4))
    expectSameBits(pair([6, 8]).half.reshaped([4, -1]), plain.reshaped([4, 12]))
    expectSameBits(pair([6, 8]).half + 1, plain + 1)
  }

  @Test("a copy is decoded, its source is not; a write reaches the writer alone")
  func writing() {
    let (half, plain) = pair([6, 8])
    expectSameBits(half.copied(), plain)
    #expect(half.halfElements != nil)
    var changed = half
    changed.withMutableElements { $0[0] = 7 }
    #expect(half.halfElements != nil && changed[0, 0] == 7)
    expectSameBits(half, plain)
    var alone = pair([6, 8]).half
    alone.withMutableElements { $0[47] += 1 }
    #expect(alone[5, 7] == plain[5, 7] + 1 && alone[0, 0] == plain[0, 0])
  }

  @Test("pieces are all elements in order, and leave nothing decoded", arguments: [1, 5, 48, 100])
  func pieces(_ length: Int) {
    let (half, plain) = pair([6, 8])
    func collected(_ tensor: Tensor) -> [Float] {
      var all: [Float] = []
      tensor.forEachPiece(of: length) {
        #expect($0.count <= length)
        all += $0
      }
      return all
    }
    expectSame(collected(half), plain.elements)
    #expect(half.halfElements != nil)
    expectSame(collected(half.sliced(axis: 0, 1..<3)), plain.sliced(axis: 0, 1..<3).elements)
    expectSame(collected(half.transposed()), plain.transposed().elements)
    expectSame(collected(plain), plain.elements)
    let grid = IntegerGrid(uninitializedRows: 2, columns: 3)
    for place in 0..<6 { grid.codePointer[place] = Int8(place) }
    (grid.scalePointer[0], grid.scalePointer[1]) = (0.5, 2)
    expectSame(collected(Tensor([2, 3], on: grid)), [0, 0.5, 1, 6, 8, 10])
    expectSame(collected(Tensor([0, 3], repeating: 0)), [])
  }

  @Test("a tensor that decodes apart has the same numbers and leaves its source as it was")
  func apart() {
    let (half, plain) = pair([6, 8])
    let copy = half.decodingApart()
    expectSameBits(copy, plain)
    #expect(copy.isPresent && !half.isPresent && half.halfElements != nil)
    let grid = IntegerGrid(uninitializedRows: 2, columns: 3)
    for place in 0..<6 { grid.codePointer[place] = Int8(place) }
    (grid.scalePointer[0], grid.scalePointer[1]) = (0.5, 2)
    let codes = Tensor([2, 3], on: grid)
    let twin = codes.reshaped([3, 2]).decodingApart()
    expectSame(twin.elements, [0, 0.5, 1, 6, 8, 10])
    #expect(!codes.isPresent && twin.wholeGrid?.codePointer == grid.codePointer)
    // Nothing is decoded of numbers that are there, or for a part of a tensor.
    expectSame(plain.decodingApart().elements, plain.elements)
    expectSameBits(half.sliced(axis: 0, 1..<3).decodingApart(), plain.sliced(axis: 0, 1..<3))
  }

  @Test("many threads that look at once see the same numbers")
  func threads() async {
    let (half, plain) = pair([64, 64])
    let sums = await withTaskGroup(of: Float.self) { group in
      for _ in 0..<8 { group.addTask { half.elements.reduce(0, +) } }
      return await group.reduce(into: [Float]()) { $0.append($1) }
    }
    #expect(Set(sums) == [plain.elements.reduce(0, +)])
  }
}
