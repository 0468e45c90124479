import GyroQuantization
import GyroTensors
import Testing

/// Levels of least error (Lloyd 1957, Max 1960). Expected figures were computed in double precision
/// apart from this code.
@Suite struct AnalysisLloydMaxTests {
  @Test func levelsForNormalValues() {
    let errors = [0.3633802, 0.1174818, 0.0345478, 0.0095010]
    let levels: [[Double]] = [
      [0.7979], [0.4528, 1.5104], [0.2451, 0.7560, 1.3439, 2.1519],
      [0.1284, 0.3880, 0.6568, 0.9423, 1.2562, 1.6180, 2.0690, 2.7326],
    ]
    for (bits, (error, expected)) in zip(errors, levels).enumerated() {
      let found = LloydMax(levels: 2 << bits, of: StandardDensity.gaussian)
      #expect(abs(found.error.noise - error) < 1e-6)
      for (level, wanted) in zip(found.levels.suffix(expected.count), expected) {
        #expect(abs(level - wanted) < 5.1e-5, "\(level)")
      }
      for (low, high) in zip(found.levels, found.levels.reversed()) {
        #expect(abs(low + high) < 1e-9)  // odd, as the density is even
      }
    }
    let decibels = [4.396, 9.300, 14.616, 20.222, 26.012, 31.910]
    for (bits, expected) in decibels.enumerated() {
      let found = LloydMax(levels: 2 << bits, of: StandardDensity.gaussian).error.decibels
      #expect(abs(found - expected) < 6e-4, "\(bits + 1) bits: \(found)")
    }
    #expect(
      abs(LloydMax(levels: 32, of: StandardDensity.gaussian).error.noise - 0.002505) < 5e-7)
    #expect(
      abs(LloydMax(levels: 64, of: StandardDensity.gaussian).error.noise - 0.000644) < 5e-7)
  }

  @Test func thresholdsForNormalValues() {
    let two = LloydMax(levels: 4, of: StandardDensity.gaussian).thresholds
    #expect(abs(two[2] - 0.9816) < 5e-5)
    let three = LloydMax(levels: 8, of: StandardDensity.gaussian).thresholds.suffix(3)
    for (found, expected) in zip(three, [0.5005, 1.0500, 1.7479]) {
      #expect(abs(found - expected) < 5.1e-5)
    }
  }

  @Test(arguments: [
    StandardDensity.uniform, .gaussian, .laplace, .studentT(8), .studentT(5),
  ])
  func everyLevelIsTheMeanOfItsCell(density: StandardDensity) {
    for count in [1, 2, 3, 7, 16, 64, 256] {
      let found = LloydMax(levels: count, of: density)
      var below = PartialMoments(mass: 0, mean: 0)
      for (level, end) in zip(found.levels, found.thresholds + [.infinity]) {
        let next = density.moments(below: end)
        #expect(abs(level * (next.mass - below.mass) - (next.mean - below.mean)) < 1e-10)
        below = next
      }
      #expect(zip(found.levels, found.levels.dropFirst()).allSatisfy { $0 < $1 })
    }
  }

  @Test func levelsForUniformValuesAreEquallySpaced() {
    let found = LloydMax(levels: 8, of: StandardDensity.uniform)
    for (index, level) in found.levels.enumerated() {
      #expect(abs(level - (Double(index) - 3.5) / 4) < 1e-12)
    }
    #expect(abs(found.error.decibels - 18.0618) < 1e-4)
  }

  @Test func levelsForDataApproachThoseOfTheirDensity() {
    var random = RandomStream(seed: 1)
    let data = EmpiricalDensity(random.normal([200_000]))
    let found = LloydMax(levels: 8, of: data)
    let exact = LloydMax(levels: 8, of: StandardDensity.gaussian)
    #expect(abs(found.error.decibels - exact.error.decibels) < 0.05)
    #expect(found == LloydMax(levels: 8, of: data))
  }

  @Test func weightsCountAsRepetitions() {
    let weighted = LloydMax(
      levels: 2, of: EmpiricalDensity([0, 1, 10, 14], weights: [3, 1, 1, 3]))
    let repeated = LloydMax(levels: 2, of: EmpiricalDensity([0, 0, 0, 1, 10, 14, 14, 14]))
    #expect(weighted.levels == [0.25, 13] && weighted == repeated)
  }

  @Test func emptyCellsAreFilledAndFewValuesGiveFewLevels() {
    // Nearly all values are equal: quantiles alone would give one level.
    let crowded = [Float](repeating: 1, count: 1000) + [2, 3, 50]
    #expect(LloydMax(levels: 4, of: EmpiricalDensity(crowded)).levels == [1, 2, 3, 50])
    #expect(LloydMax(levels: 4, of: EmpiricalDensity(crowded)).error.noise < 1e-12)
    #expect(LloydMax(levels: 8, of: EmpiricalDensity(crowded)).levels == [1, 2, 3, 50])
    let three = LloydMax(levels: 3, of: EmpiricalDensity(crowded))
    #expect(three.levels.count == 3 && abs(three.levels[2] - 50) < 1e-9)
    #expect(LloydMax(levels: 4, of: EmpiricalDensity([0, 0])).levels == [0])
  }

  @Test func learnedLevelsAreANumberFormat() {
    let found = LloydMax(levels: 16, of: StandardDensity.laplace)
    let codebook = found.codebook(named: "laplace4")
    #expect(codebook.bits == 4 && codebook.largest == 1 && codebook.name == "laplace4")
    let error = ScalarGrid(codebook).error(
      on: StandardDensity.laplace, scale: found.largest)
    #expect(abs(error.decibels - found.error.decibels) < 1e-4)
    // Better than equal steps and than powers of two, each at its best clip.
    for name in ["int4", "pot4", "e2m1", "nf4"] {
      let other = ScalarGrid(FormatNames.format(name)!).optimum(on: StandardDensity.laplace)
      #expect(other.error.noise > found.error.noise, "\(name)")
    }
  }
}
