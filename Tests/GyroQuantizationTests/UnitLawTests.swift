import CGyroKernels
import GyroTensors
import TestSupport
import Testing

@testable import GyroQuantization

@Suite("Units of quantized tensors")
struct UnitLawTests {
  /// Units straight from values by the kernel, decoded; nil when they are not exact.
  private func decodedUnits(
    _ quantizer: Quantizer, _ x: Tensor, hasScaledUnits: Bool, with given: GroupScales? = nil
  ) throws -> Tensor? {
    let layout = quantizer.groups(of: x.shape)
    let grid = UnitGrid(
      uninitializedRows: hasScaledUnits ? 1 : layout.groups,
      columns: hasScaledUnits ? x.count : layout.length)
    var scales = try given ?? quantizer.scales(covering: x)
    var isExact: Int32 = 0
    let status = quantizer.format.withKernelFormat { format in
      var job = gyro_group_quantizer()
      job.format = format.pointee
      job.scale_format = quantizer.scaleFormat.kernelCode
      job.is_asymmetric = quantizer.isSymmetric ? 0 : 1
      job.span = quantizer.span
      var zeroPoints = scales.zeroPoints?.elements ?? []
      return x.withElements { source in
        scales.scales.withMutableElements { pointer in
          zeroPoints.withUnsafeMutableBufferPointer { zeros in
            gyro_quantize_units(
              &job, source, Int64(layout.groups), Int64(layout.length), given == nil ? 1 : 0,
              hasScaledUnits ? 1 : 0, pointer, quantizer.isSymmetric ? nil : zeros.baseAddress,
              &scales.tensorScale, grid.unitPointer, &isExact)
          }
        }
      }
    }
    #expect(status == 0)
    if isExact == 0 { return nil }
    for row in 0..<grid.rows {
      grid.scalePointer[row] = hasScaledUnits ? scales.tensorScale : scales.scales.elements[row]
    }
    return Tensor(x.shape, decoding: grid)
  }

  private func trial(_ shape: Shape) -> Tensor {
    var random = RandomStream(seed: 8)
    var x = random.normal(shape)
    x.withMutableElements { elements in
      for place in 0..<shape.count where place % 3 == 0 { elements[place] *= 0x1p-9 }
      for place in 0..<shape.columns { elements[place] = -0.0 }
    }
    return x
  }

  @Test(
    "a scale for each row: units decode to the projected values, bit for bit",
    arguments: ["e4m3", "e5m2", "e2m1", "e3m4", "int8", "uint8", "int5", "ternary", "pot4"])
  func rows(_ name: String) throws {
    let x = trial([9, 75])
    for granularity in [Granularity.token, .tensor] {
      let quantizer = try Quantizer(namedFormat(name), granularity)
      let expected = try quantizer.projected(x)
      let units = try #require(try decodedUnits(quantizer, x, hasScaledUnits: false))
      expectSame(units, expected)
      let scales = quantizer.scales(
        ranges: .init(
          repeating: -1...2, count: try quantizer.layout(of: x.shape).groups))
      expectSame(
        try #require(try decodedUnits(quantizer, x, hasScaledUnits: false, with: scales)),
        try quantizer.projected(x, with: scales))
    }
  }

  @Test("whole numbers around a zero point have units")
  func asymmetric() throws {
    let quantizer = try Quantizer(namedFormat("int8"), .token, isSymmetric: false)
    let x = trial([5, 70])
    expectSame(
      try #require(try decodedUnits(quantizer, x, hasScaledUnits: false)),
      try quantizer.projected(x))
  }

  @Test(
    "powers of two as scales of groups: units decode to the projected values, bit for bit",
    arguments: ["e2m1", "e2m3", "e3m2", "e4m3", "e5m2", "int8"],
    [ScaleFormat.e8m0, .powerOfTwo])
  func powersOfTwo(_ name: String, _ scaleFormat: ScaleFormat) throws {
    let quantizer = try Quantizer(namedFormat(name), .group(32), scaleFormat: scaleFormat)
    let x = trial([6, 96])
    expectSame(
      try #require(try decodedUnits(quantizer, x, hasScaledUnits: true)),
      try quantizer.projected(x))
    #expect(UnitGrid(values: try quantizer.projected(x)) != nil)
  }

  @Test("E4M3 scales of groups: units decode to the projected values, bit for bit")
  func twoLevels() throws {
    let quantizer = try Quantizer(namedFormat("e2m1"), .group(16), scaleFormat: .e4m3)
    let x = trial([8, 64])
    expectSame(
      try #require(try decodedUnits(quantizer, x, hasScaledUnits: true)),
      try quantizer.projected(x))
    expectSame(try quantizer.quantized(x).tensor, try quantizer.projected(x))
  }

  @Test("Float32 scales of groups make no units")
  func inexact() throws {
    let quantizer = try Quantizer(namedFormat("int4"), .group(32))
    let x = trial([4, 64])
    #expect(try decodedUnits(quantizer, x, hasScaledUnits: true) == nil)
    #expect(UnitGrid(values: try quantizer.projected(x)) == nil)
  }

  private func expectSame(_ a: Tensor, _ b: Tensor) {
    TestSupport.expectSame(a.elements.map(\.bitPattern), b.elements.map(\.bitPattern))
  }
}
