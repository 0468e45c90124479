import CGyroKernels
import Glibc
import GyroQuantization
public import GyroTensors

/// The coded angles of the four levels.
public struct PolarCodebook: Sendable, Hashable {
  /// In radians, rising; 2^bits of them per level, level 1 in [0, 2π), the others in [0, π/2].
  public let angles: [[Double]]

  /// What least squares says for normal coordinates: Lloyd–Max on each level's density.
  public init(bits: [Int]) {
    angles = bits.enumerated().map { place, bits in
      let density = PolarAngleDensity(level: place + 1), count = 1 << bits
      if place == 0 {
        // On the circle any even spacing is optimal; the iteration has nothing to do.
        return (0..<count).map { (Double($0) + 0.5) * 2 * Double.pi / Double(count) }
      }
      return LloydMax(levels: count, of: density).levels.map { density.center + $0 }
    }
  }

  /// What least squares says for the angles of rows of blocks of 16, all blocks of all rows together:
  /// k-means on the line, level by level, from the same start each time.
  public init(bits: [Int], learnedFrom rows: Tensor) {
    let blocks = rows.count / 16
    var radii = [Float](repeating: 0, count: blocks)
    let found = [Float](unsafeUninitializedCapacity: blocks * 15) { angles, count in
      rows.withElements {
        gyro_polar_angles($0, Int64(blocks), angles.baseAddress!, &radii)
      }
      count = blocks * 15
    }
    let places = [0..<8, 8..<12, 12..<14, 14..<15]
    angles = zip(bits, places).map { bits, places in
      let values = found.indices.filter { places.contains($0 % 15) }.map { found[$0] }
      return LloydMax(levels: 1 << bits, of: EmpiricalDensity(values)).levels
    }
  }

  init(angles: [[Double]]) { self.angles = angles }

  /// E cos(error of an angle) of one level, for normal coordinates.
  ///
  /// Radii are exact, so E‖x − x̃‖² = 2(1 − Π E cos)·E‖x‖², the product over the four levels.
  public func meanCosine(level: Int) -> Double {
    let density = PolarAngleDensity(level: level), levels = angles[level - 1]
    let steps = 20_000
    var sum = 0.0, mass = 0.0
    for step in 0..<steps {
      let x = density.reach * (2 * (Double(step) + 0.5) / Double(steps) - 1)
      let height = density.height(at: x)
      sum += height * levels.map { cos(x + density.center - $0) }.max()!
      mass += height
    }
    return sum / mass
  }

  /// E‖x − x̃‖²/E‖x‖² for normal coordinates.
  public var distortion: Double {
    2 * (1 - (1...4).reduce(1.0) { $0 * meanCosine(level: $1) })
  }

  /// Cosines and sines as the kernels look them up: each level's repeated until there are 32.
  var tables: [Float] {
    [{ cos($0) } as (Double) -> Double, { sin($0) }].flatMap { function in
      angles.flatMap { angles in (0..<32).map { Float(function(angles[$0 % angles.count])) } }
    }
  }
}
