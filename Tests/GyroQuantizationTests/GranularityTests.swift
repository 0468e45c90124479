import Foundation
import GyroQuantization
import GyroTensors
import Testing

@Suite("per-tensor/channel/group granularity")
struct GranularityTests {
  /// Signal-to-noise ratio of each row.
  private func decibels(_ granularity: Granularity, _ x: Tensor) throws -> [Double] {
    let y = try Quantizer(IntegerFormat.int8, granularity).projected(x).elements
    let (x, columns) = (x.elements, x.shape.columns)
    return (0..<x.count / columns).map { row in
      var (signal, noise) = (0.0, 0.0)
      for place in row * columns..<(row + 1) * columns {
        signal += pow(Double(x[place]), 2)
        noise += pow(Double(x[place]) - Double(y[place]), 2)
      }
      return 10 * log10(signal / noise)
    }
  }

  @Test(
    "channels scaled 1…100×: per channel and group the ratio is flat, per tensor it drops 20 dB a decade"
  )
  func channelsOfDifferentSize() throws {
    let (rows, columns) = (9, 4096)
    var random = RandomStream(seed: 77)
    var elements = random.uniform([rows, columns], in: -1..<1).elements
    for place in elements.indices {
      elements[place] *= Float(pow(10, 2 * Double(place / columns) / Double(rows - 1)))
    }
    let x = Tensor([rows, columns], elements: elements)
    let perChannel = try decibels(.channel, x), perGroup = try decibels(.group(128), x)
    let perTensor = try decibels(.tensor, x)
    #expect(perChannel.max()! - perChannel.min()! < 0.5)
    #expect(perGroup.max()! - perGroup.min()! < 0.5)
    for (row, ratio) in perTensor.enumerated() {
      let decades = 2 - 2 * Double(row) / Double(rows - 1)
      #expect(abs(ratio - (perTensor[rows - 1] - 20 * decades)) < 1)
    }
  }

  @Test("the scale of a group covers that group and no other")
  func blocks() throws {
    let x = Tensor([4, 4], elements: (1...16).map(Float.init))
    func scales(_ granularity: Granularity) throws -> [Float] {
      try Quantizer(Codebook.ternary, granularity).scales(covering: x).scales.elements
    }
    #expect(try scales(.tensor) == [16])
    #expect(try scales(.channel) == [4, 8, 12, 16])
    #expect(try scales(.token) == [4, 8, 12, 16])
    #expect(try scales(.group(2)) == [2, 4, 6, 8, 10, 12, 14, 16])
    #expect(try scales(.block(rows: 2, columns: 2)) == [6, 8, 14, 16])
    #expect(try scales(.block(rows: 4, columns: 2)) == [14, 16])
    let cube = Tensor([2, 2, 2], elements: (1...8).map(Float.init))
    #expect(
      try Quantizer(Codebook.ternary, .channel).scales(covering: cube).scales.elements == [4, 8])
    #expect(
      try Quantizer(Codebook.ternary, .token).scales(covering: cube).scales.elements == [
        2, 4, 6, 8,
      ])
  }

  @Test("dynamic activation quant: the range of each batch is its largest value")
  func dynamicRanges() throws {
    var random = RandomStream(seed: 1)
    let quantizer = try Quantizer(IntegerFormat.int8, .token)
    for size in [0.1, 1, 10] as [Float] {
      let x = random.normal([4, 33], standardDeviation: size)
      let scales = try quantizer.scales(covering: x).scales.elements
      for row in 0..<4 {
        #expect(scales[row] == x.elements[row * 33..<row * 33 + 33].map(\.magnitude).max()! / 127)
      }
    }
  }

  @Test("tensors without elements quantize to themselves")
  func empty() throws {
    let x = Tensor.zeros([0, 8])
    for granularity in [Granularity.tensor, .token, .group(4)] {
      let quantizer = try Quantizer(Minifloat.e4m3, granularity)
      #expect(try quantizer.projected(x).shape == [0, 8])
      #expect(try quantizer.quantized(x).packedCodes() == [])
    }
  }
}
