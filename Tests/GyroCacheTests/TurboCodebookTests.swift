import Foundation
import GyroQuantization
import Testing

@testable import GyroCache

struct TurboCodebookTests {
  @Test func theMarginalOfTheSphereHasMassOneAndVarianceOneOverD() {
    for dimension in [3, 8, 16, 128] {
      let density = SphereDensity(dimension: dimension)
      let steps = 200_000
      var (mass, variance, mean) = (0.0, 0.0, 0.0)
      for step in 0..<steps {
        let x = 2 * (Double(step) + 0.5) / Double(steps) - 1
        let part = density.height(at: x) * 2 / Double(steps)
        mass += part
        variance += x * x * part
        if x < 0.1 { mean += x * part }
      }
      #expect(abs(mass - 1) < 1e-6, "\(dimension)")
      #expect(abs(variance * Double(dimension) - 1) < 1e-6, "\(dimension)")
      #expect(abs(mean - density.moments(below: 0.1).mean) < 1e-5, "\(dimension)")
      #expect(density.moments(below: 0).mass == 0.5)
    }
  }

  /// Computed independently by quadrature, five digits.
  @Test(arguments: [
    (16, [0.34319, 0.10585, 0.03008, 0.00809]), (32, [0.35336, 0.11160, 0.03226, 0.00877]),
    (64, [0.35839, 0.11453, 0.03339, 0.00913]), (128, [0.36089, 0.11600, 0.03397, 0.00931]),
    (256, [0.36214, 0.11674, 0.03426, 0.00941]), (1536, [0.36317, 0.11736, 0.03450, 0.00949]),
  ])
  func theDistortionIsThatOfTheFiniteDimension(dimension: Int, expected: [Double]) {
    for (place, distortion) in expected.enumerated() {
      let codebook = TurboCodebook(bits: place + 1, dimension: dimension)
      #expect(
        abs(codebook.distortion / distortion - 1) < 0.002, "\(dimension), \(place + 1) bits")
    }
  }

  @Test func theLevelsFor128Dimensions() {
    let root = 128.0.squareRoot()
    let expected = [[0.7994], [0.4525, 1.5052], [0.2444, 0.7533, 1.3366, 2.1315]]
    for (place, expected) in expected.enumerated() {
      let levels = TurboCodebook(bits: place + 1, dimension: 128).levels
      for (level, expected) in zip(levels.suffix(expected.count), expected) {
        #expect(abs(Double(level) * root - expected) < 1e-4)
      }
      #expect(zip(levels, levels.reversed()).allSatisfy { $0 == -$1 }, "symmetric")
    }
  }

  /// The constant is √3·π/2 = 2.7207: with √(3π)/2 = 1.535 the bound would fail at 4 bits.
  @Test func theDistortionLiesBetweenTheTwoBounds() {
    let constant = 3.0.squareRoot() * Double.pi / 2
    for dimension in [16, 64, 128, 1536] {
      for bits in 1...4 {
        let distortion = TurboCodebook(bits: bits, dimension: dimension).distortion
        let least = pow(4, -Double(bits))
        #expect(distortion <= constant * least)
        #expect(distortion >= least || dimension < 1536, "the lower bound is asymptotic")
      }
    }
    let four = TurboCodebook(bits: 4, dimension: 1536).distortion * 256
    #expect(four > (3 * Double.pi).squareRoot() / 2)
  }
}
