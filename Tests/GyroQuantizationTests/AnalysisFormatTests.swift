import Glibc
import GyroQuantization
import GyroTensors
import Testing

private let densities: [StandardDensity] = [
  .uniform, .gaussian, .laplace, .studentT(8), .studentT(5),
]

private func finite(_ exponentBits: Int) -> Minifloat {
  .allFinite(exponentBits: exponentBits, mantissaBits: 7 - exponentBits)
}

private let eightBits: [any NumberFormat] = [IntegerFormat.int8] + (2...5).map(finite)

private func decibels(_ format: any NumberFormat, _ density: StandardDensity) -> Double {
  ScalarGrid(format).optimum(on: density).error.decibels
}

private func isClose(_ value: Double, _ expected: Double, _ tolerance: Double) -> Bool {
  abs(value - expected) <= tolerance
}

/// The exact error of formats (2208.09225 §3). Expected figures were computed from the closed forms
/// in double precision, apart from this code.
@Suite struct AnalysisFormatTests {
  @Test func everyEightBitFormatKeepsWhatTheClosedFormsSay() {
    let expected = [
      [48.131, 44.490, 38.656, 32.736, 26.914], [40.570, 42.666, 37.565, 31.557, 25.582],
      [35.209, 39.446, 37.536, 31.537, 25.559], [34.414, 38.427, 37.517, 31.537, 25.560],
      [29.067, 32.573, 37.033, 31.535, 25.558],
    ]
    for (density, row) in zip(densities, expected) {
      for (format, figure) in zip(eightBits, row) {
        let got = decibels(format, density)
        #expect(isClose(got, figure, 0.01), "\(format.name) on \(density.name): \(got) dB")
      }
    }
  }

  @Test func clipsAndErrorsOnNormalValues() {
    let errors = [8.7707e-5, 5.4121e-5, 1.7520e-4, 6.9875e-4, 2.7656e-3]
    let optima = eightBits.map { ScalarGrid($0).optimum(on: StandardDensity.gaussian) }
    for (optimum, error) in zip(optima, errors) {
      #expect(isClose(optimum.error.noise / error, 1, 1e-4))
    }
    for (optimum, clip) in zip(optima, [3.907, 4.352, 5.106]) {
      #expect(isClose(optimum.clip, clip, 1e-3))
    }
  }

  @Test func thePapersConventionLeavesThePowerOut() {
    let uniform = [52.902, 49.261, 43.427, 37.507, 31.685]
    let student = [33.165, 37.178, 36.267, 30.288, 24.311]
    for (density, row) in [(StandardDensity.uniform, uniform), (.studentT(8), student)] {
      for (format, figure) in zip(eightBits, row) {
        let error = ScalarGrid(format).optimum(on: density).error
        #expect(isClose(error.noiseDecibels, figure, 0.01), "\(format.name) on \(density.name)")
      }
    }
  }

  @Test func dotProductsOfTwoRoundedSignals() {
    let expected: [(StandardDensity, [Double])] = [
      (.uniform, [45.121, 41.480, 35.646, 29.727, 23.908]),
      (.gaussian, [37.560, 39.656, 34.555, 28.548, 22.578]),
      (.studentT(8), [31.405, 35.417, 34.507, 28.529, 22.556]),
    ]
    for (density, row) in expected {
      for (format, figure) in zip(eightBits, row) {
        let error = ScalarGrid(format).optimum(on: density).error
        let product = error.dotProduct(with: error).decibels
        #expect(isClose(product, figure, 0.01), "\(format.name) on \(density.name): \(product)")
      }
    }
  }

  @Test func fewerBits() {
    let expected = [
      ("int4", [19.258, 15.976, 14.543]), ("e2m1", [18.967, 17.330, 16.033]),
      ("e3m0", [14.231, 14.168, 14.090]),
    ]
    for (name, row) in expected {
      for (density, figure) in zip([StandardDensity.gaussian, .laplace, .studentT(5)], row) {
        #expect(isClose(decibels(FormatNames.format(name)!, density), figure, 0.01), "\(name)")
      }
    }
    #expect(isClose(decibels(Minifloat.e2m3, .gaussian), 30.814, 0.01))
    #expect(isClose(decibels(Minifloat.e3m2, .gaussian), 25.581, 0.01))
  }

  @Test func oneExponentBitIsEquallySpaced() {
    let restricted = IntegerFormat(bits: 8, isRestricted: true)
    for density in densities {
      #expect(isClose(decibels(finite(1), density), decibels(restricted, density), 1e-6))
    }
  }

  @Test func theStandardsE4M3EqualsTheOneWithoutNaN() {
    for density in densities.dropLast() {
      #expect(isClose(decibels(Minifloat.e4m3, density), decibels(finite(4), density), 1e-3))
    }
  }

  @Test func formatsCrossWhereTailsAreHeavyEnough() throws {
    let grids = eightBits.map { ScalarGrid($0) }
    let (int8, e2m5, e3m4, e4m3) = (grids[0], grids[1], grids[2], grids[3])
    func crossing(_ heavy: ScalarGrid, _ light: ScalarGrid) -> Double? {
      FormatCrossing.degreesOfFreedom(heavyTailed: heavy, lightTailed: light)
    }
    #expect(isClose(try #require(crossing(e4m3, int8)), 5.98, 0.01))
    #expect(isClose(try #require(crossing(e3m4, e2m5)), 7.20, 0.01))
    #expect(isClose(try #require(crossing(e3m4, int8)), 14.2, 0.05))
    #expect(crossing(int8, e4m3) == nil)
  }

  @Test func samplesHaveTheDensityTheyAreNamedFor() {
    for density in densities {
      var random = RandomStream(seed: 11).derived(density.name)
      let data = EmpiricalDensity(density.sample([100_000], &random))
      for point in [-3, -0.9, -0.2, 0, 0.5, 0.95, 2, 4] {
        let mass = density.moments(below: point).mass
        let deviation = (mass * (1 - mass) / 100_000).squareRoot()
        let difference = data.moments(below: point).mass - mass
        #expect(abs(difference) <= 4 * deviation, "\(density.name) below \(point)")
      }
    }
  }

  @Test func theErrorOfSamplesIsThatOfRoundingThem() {
    for density in densities {
      var random = RandomStream(seed: 12).derived(density.name)
      let samples = density.sample([20_000], &random)
      for format in eightBits {
        let scale = Float(ScalarGrid(format).optimum(on: density).clip) / format.largest
        var rounded = samples
        rounded.withMutableElements { pointer in
          for index in 0..<samples.count {
            pointer[index] = format.project(pointer[index] / scale) * scale
          }
        }
        let error = ScalarGrid(format).error(
          on: EmpiricalDensity(samples), scale: Double(scale))
        let measured = RoundingError(of: rounded, from: samples)
        #expect(isClose(measured.decibels, error.decibels, 1e-3), "\(format.name)")
      }
    }
  }

  /// Plain samples would have to be many millions for 0.05 dB, because the few that are clipped make
  /// much of the error: every stratum of `asinh x` gives one, weighted by what it stands for.
  @Test func weightedSamplesLoseWhatIsComputed() {
    let count = 200_000
    for density in densities {
      let reach = density == .uniform ? 1 : 1e5
      let half = asinh(reach)
      for format in eightBits {
        var random = RandomStream(seed: 13).derived(density.name + format.name)
        let optimum = ScalarGrid(format).optimum(on: density)
        let scale = optimum.clip / Double(format.largest)
        var noise = 0.0
        for stratum in 0..<count {
          let place = (Double(stratum) + Double(random.uniform())) / Double(count)
          let (x, slope) = (sinh((2 * place - 1) * half), cosh((2 * place - 1) * half))
          let rounded = Double(format.project(Float(x / scale))) * scale
          noise += (rounded - x) * (rounded - x) * density.height(at: x) * slope
        }
        noise *= 2 * half / Double(count)
        let measured = RoundingError.decibels(density.secondMoment / noise)
        #expect(
          isClose(measured, optimum.error.decibels, 0.05),
          "\(format.name) on \(density.name): \(measured)")
      }
    }
  }

  @Test func signedIntegersAtTheirBestClip() {
    let full = [1.0484, 1.8055, 2.3703, 2.8319, 3.2296, 3.5839, 3.9072]
    let fullDecibels = [8.256, 13.911, 19.258, 24.527, 29.818, 35.163, 40.570]
    let restricted = [1.2240, 1.9523, 2.4739, 2.8987, 3.2701, 3.6075, 3.9205]
    let restrictedDecibels = [7.208, 13.292, 18.898, 24.326, 29.709, 35.106, 40.540]
    let laplace = [2.0000, 3.4864, 4.8199, 6.0980, 7.3586, 8.6178, 9.8827]
    let laplaceDecibels = [5.780, 10.805, 15.623, 20.417, 25.259, 30.178, 35.181]
    for (place, bits) in (2...8).enumerated() {
      let wide = ScalarGrid(IntegerFormat(bits: bits)).optimum(on: StandardDensity.gaussian)
      #expect(isClose(wide.clip, full[place], 1e-4), "\(bits) bits: \(wide.clip)")
      #expect(isClose(wide.error.decibels, fullDecibels[place], 1e-3))
      let grid = ScalarGrid(IntegerFormat(bits: bits, isRestricted: true))
      let normal = grid.optimum(on: StandardDensity.gaussian)
      #expect(isClose(normal.clip, restricted[place], 1e-4), "\(bits) bits: \(normal.clip)")
      #expect(isClose(normal.error.decibels, restrictedDecibels[place], 1e-3))
      let peaked = grid.optimum(on: StandardDensity.laplace)
      #expect(isClose(peaked.clip, laplace[place], 1e-4), "\(bits) bits: \(peaked.clip)")
      #expect(isClose(peaked.error.decibels, laplaceDecibels[place], 1e-3))
    }
  }

  @Test func equalStepsWithoutZero() {
    let steps = [1.59577, 0.99569, 0.58602, 0.33520, 0.18814, 0.10406, 0.05687, 0.03076]
    let errors = [
      0.363380, 0.118846, 0.037440, 0.011543, 0.003495, 0.001040, 0.000304, 0.000088,
    ]
    for (place, bits) in (1...8).enumerated() {
      let grid = ScalarGrid.midRise(bits: bits)
      let optimum = grid.optimum(on: StandardDensity.gaussian)
      #expect(isClose(optimum.clip / grid.largest, steps[place], 1e-5))
      #expect(isClose(optimum.error.noise, errors[place], 5.1e-7))
    }
  }
}
