import CGyroKernels
import Glibc
import GyroTensors

/// The numbers a transform works with, worked out once.
final class HadamardPlan: Sendable {
  let structure: HadamardStructure
  let cores: [HadamardCore]
  /// ±1 for each place of a row; empty for none.
  let signs: [Float]
  /// 1/√n of a block.
  let scale: Double

  // What the kernel reads; `gyro_hadamard.h` says how.
  private let orders: [Int32]
  private let codes: [UInt8]
  private let dense: [Float]
  private let factors: [Float]

  init(_ structure: HadamardStructure, signSeed: UInt64?) {
    self.structure = structure
    // The structure holds no order that has no core.
    cores = structure.cores.map { HadamardCore(order: $0)! }
    let size = structure.blocks * structure.blockSize
    signs = signSeed.map { Self.signs(size, seed: $0) } ?? []
    let scale = 1 / Double(structure.blockSize).squareRoot()
    self.scale = scale
    orders = structure.cores.map(Int32.init)
    codes = cores.flatMap { $0.codes(transposed: false) + $0.codes(transposed: true) }
    let length = structure.hartley
    dense =
      length == 1
      ? [] : (0..<length * length).map { Float(Self.hartley($0 / length, $0 % length, length)) }
    factors = signs.map { Float(scale) * $0 }
  }

  /// Random ±1: one bit for each place.
  static func signs(_ count: Int, seed: UInt64) -> [Float] {
    var stream = RandomStream(seed: seed).derived("hadamard signs", count)
    var bits: UInt64 = 0
    return (0..<count).map { place in
      if place % 64 == 0 { bits = stream.next() }
      defer { bits >>= 1 }
      return bits & 1 == 0 ? 1 : -1
    }
  }

  /// Entry of the discrete Hartley transform, unscaled: cos + sin of 2π · row · column / size.
  static func hartley(_ row: Int, _ column: Int, _ size: Int) -> Double {
    let angle = 2 * Double.pi * Double(row * column % size) / Double(size)
    return cos(angle) + sin(angle)
  }

  /// Multiplies rows by the matrix or its transpose; `y` may be `x`.
  func transform(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, rows: Int, transposed: Bool,
    with kernel: Kernel = gyro_hadamard
  ) {
    withUnsafeTemporaryAllocation(of: gyro_hadamard_plan.self, capacity: 1) { plan in
      orders.withUnsafeBufferPointer { orders in
        codes.withUnsafeBufferPointer { codes in
          dense.withUnsafeBufferPointer { dense in
            factors.withUnsafeBufferPointer { factors in
              plan.initializeElement(
                at: 0,
                to: gyro_hadamard_plan(
                  blocks: Int64(structure.blocks), power: Int64(structure.power),
                  orders: orders.baseAddress, core_count: Int32(orders.count),
                  dense_order: Int32(structure.hartley), codes: codes.baseAddress,
                  dense: dense.baseAddress,
                  factors: factors.isEmpty ? nil : factors.baseAddress, scale: Float(scale)))
              kernel(x, y, Int64(rows), plan.baseAddress, transposed ? 1 : 0)
            }
          }
        }
      }
    }
  }

  /// The fast kernel or the plain reference beside it.
  typealias Kernel = (
    UnsafePointer<Float>?, UnsafeMutablePointer<Float>?, Int64,
    UnsafePointer<gyro_hadamard_plan>?, Int32
  ) -> Void

  /// Signs, blocks and Kronecker products written out.
  var matrix: Matrix64 {
    let block = structure.blockSize, size = structure.blocks * block
    var result = Matrix64(rows: size, columns: size)
    for row in 0..<block {
      let entries = blockRow(row)
      for index in 0..<structure.blocks {
        let place = index * block + row
        let factor = scale * (signs.isEmpty ? 1 : Double(signs[place]))
        for column in 0..<block {
          result.elements[place * size + index * block + column] = factor * entries[column]
        }
      }
    }
    return result
  }

  /// A row of a block, unscaled: the Kronecker product of one row of each factor.
  private func blockRow(_ row: Int) -> [Double] {
    let power = structure.power
    var (rest, result) = (row / power, [1.0])
    func widen(_ factor: [Double], _ inner: [Double]) -> [Double] {
      factor.flatMap { outer in inner.map { outer * $0 } }
    }
    result = (0..<power).map { ($0 & (row % power)).nonzeroBitCount.isMultiple(of: 2) ? 1 : -1 }
    let hartley = structure.hartley
    result = widen((0..<hartley).map { Self.hartley(rest % hartley, $0, hartley) }, result)
    rest /= hartley
    for core in cores.reversed() {
      let start = rest % core.order * core.order
      result = widen(core.entries[start..<start + core.order].map(Double.init), result)
      rest /= core.order
    }
    return result
  }
}
