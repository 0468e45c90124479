import CGyroKernels
import Foundation
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@testable import GyroCache

struct PolarCodebookTests {
  @Test(arguments: [(2, 19.59), (3, 14.19), (4, 10.10)])
  func theAnglesSpreadAsTheLevelsSay(level: Int, degrees: Double) {
    let density = PolarAngleDensity(level: level)
    #expect(abs(density.secondMoment.squareRoot() * 180 / Double.pi - degrees) < 0.006)
  }

  @Test func massAndMeanAreIntegralsOfTheDensity() {
    for level in 1...4 {
      let density = PolarAngleDensity(level: level), steps = 100_000
      var (mass, mean, square) = (0.0, 0.0, 0.0)
      for step in 0..<steps {
        let x = density.reach * (2 * (Double(step) + 0.5) / Double(steps) - 1)
        let part = density.height(at: x) * 2 * density.reach / Double(steps)
        square += x * x * part
        if x < 0.3 { (mass, mean) = (mass + part, mean + x * part) }
      }
      let moments = density.moments(below: 0.3)
      #expect(abs(moments.mass - mass) < 1e-4, "level \(level)")
      #expect(abs(moments.mean - mean) < 1e-4, "level \(level)")
      #expect(abs(density.secondMoment - square) < 1e-6, "level \(level)")
      let end = density.moments(below: density.reach)
      #expect(end.mass == 1 && abs(end.mean) < 1e-12)
    }
  }

  /// PolarQuant's offline codebook, worked out independently.
  @Test(arguments: [
    (2, [0.3098, 0.6340, 0.9368, 1.2610], 0.009909, 0.995055),
    (3, [0.4262, 0.6744, 0.8964, 1.1445], 0.006162, 0.996924),
    (4, [0.5242, 0.7059, 0.8649, 1.0466], 0.003393, 0.998305),
  ])
  func theCentroidsOfTwoBits(level: Int, centroids: [Double], error: Double, cosine: Double) {
    let codebook = PolarCodebook(bits: [4, 2, 2, 2])
    for (angle, expected) in zip(codebook.angles[level - 1], centroids) {
      #expect(abs(angle - expected) < 6e-5, "\(angle)")
    }
    let optimum = LloydMax(levels: 4, of: PolarAngleDensity(level: level))
    #expect(abs(optimum.error.noise - error) < 1e-6)
    #expect(abs(codebook.meanCosine(level: level) - cosine) < 2e-6)
    #expect(abs(codebook.meanCosine(level: 1) - 0.993587) < 2e-6)
  }

  @Test(arguments: [
    ([4, 2, 2, 2], 0.03208), ([3, 2, 2, 2], 0.06989), ([4, 3, 2, 2], 0.02490),
    ([5, 3, 3, 3], 0.00852),
  ])
  func theSquaredErrorOfASplit(bits: [Int], expected: Double) throws {
    #expect(abs(PolarCodebook(bits: bits).distortion - expected) < 1e-5)
    let keys = normalRows(2500, 128)
    let cache = try PolarKeyCache.holding(keys, PolarScheme(bits: bits), heads: 1)
    let found = relativeError(cache.decoded().elements, keys.elements)
    #expect(abs(found / expected - 1) < 0.01, "\(bits): \(found)")
  }

  @Test func anglesAndRadiiAreInvertible() {
    let x = normalRows(64, 128), blocks = 64 * 8
    var angles = [Float](repeating: 0, count: blocks * 15),
      radii = [Float](repeating: 0, count: blocks)
    x.withElements { gyro_polar_angles($0, Int64(blocks), &angles, &radii) }
    let back = Tensor.filled(x.shape) { gyro_polar_points(angles, radii, Int64(blocks), $0) }
    expectClose(back, x, relative: 1e-6, absolute: 2e-6)
    for (place, angle) in angles.enumerated() {
      let most: Float = place % 15 < 8 ? 2 * .pi : .pi / 2
      if !(0...most * 1.000001).contains(angle) { Issue.record("\(angle) at \(place)") }
    }
  }

  @Test func learnedAnglesAreTheSameEachTimeAndFitTheirTokens() throws {
    // Rows that no rotation has made normal: every pair points the same way, more or less.
    var keys = normalRows(512, 64)
    keys.withMutableElements { key in
      for i in 0..<512 * 64 where i % 2 == 0 { key[i] = 3 + 0.2 * key[i] }
    }
    func error(_ codebook: PolarScheme.Codebook) throws -> Double {
      let scheme = PolarScheme(codebook: codebook, rotation: .none)
      let cache = try PolarKeyCache.holding(keys, scheme, heads: 1)
      return relativeError(cache.decoded().elements, keys.elements)
    }
    let learned = try error(.online(tokens: 128)), fixed = try error(.offline)
    #expect(learned < 0.5 * fixed, "\(learned) \(fixed)")
    #expect(try error(.online(tokens: 128)) == learned)
  }

  @Test func learnedAnglesOfNormalRowsAreNearlyThoseOfTheDensity() throws {
    let keys = normalRows(400, 128)
    let scheme = PolarScheme(codebook: .online(tokens: 400), rotation: .none)
    let cache = try PolarKeyCache.holding(keys, scheme, heads: 1)
    let offline = PolarCodebook(bits: scheme.bits)
    for level in 1..<4 {
      for (a, b) in zip(cache.codebook.angles[level], offline.angles[level]) {
        #expect(abs(a - b) < 0.03)
      }
    }
    let found = relativeError(cache.decoded().elements, keys.elements)
    #expect(found < 0.0324, "\(found)")
  }
}
