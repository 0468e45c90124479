import GyroQuantization
import GyroTensors
import Testing

/// The analysis of data: the search for mantissa bits, conversions, rankings, roundings.
@Suite struct AnalysisTensorTests {
  @Test func theMassBelowAPointIsThatOfTheTables() {
    // Quantiles of Student's t and of the normal distribution.
    let table: [(StandardDensity, Double, Double)] = [
      (.studentT(5), 2.015048373, 0.95), (.studentT(8), 3.355387331, 0.995),
      (.studentT(30), 1.697260887, 0.95), (.gaussian, 1.959963985, 0.975),
      (.laplace, 2.302585093, 0.95), (.uniform, 0.5, 0.75),
    ]
    for (density, point, mass) in table {
      #expect(abs(density.moments(below: point).mass - mass) < 1e-9, "\(density.name)")
      #expect(abs(density.moments(below: -point).mass - (1 - mass)) < 1e-9)
    }
  }

  @Test func partialMomentsAreIntegralsOfTheHeight() {
    for density in [StandardDensity.gaussian, .laplace, .studentT(5), .studentT(8.5)] {
      let (from, to, steps) = (-1.25, 3.5, 2000)
      let width = (to - from) / Double(steps)
      var (mass, mean) = (0.0, 0.0)
      for step in 0..<steps {  // Simpson, cell by cell, so that Laplace's kink lies on an edge
        let a = from + Double(step) * width
        for (x, weight) in [(a, 1.0), (a + width / 2, 4), (a + width, 1)] {
          mass += density.height(at: x) * weight * width / 6
          mean += x * density.height(at: x) * weight * width / 6
        }
      }
      let (high, low) = (density.moments(below: to), density.moments(below: from))
      #expect(abs(high.mass - low.mass - mass) < 1e-7, "\(density.name)")
      #expect(abs(high.mean - low.mean - mean) < 1e-7, "\(density.name)")
      let end = density.moments(below: .infinity)
      #expect(end.mass == 1 && abs(end.mean) < 1e-15)
    }
  }

  @Test func dataIsADensity() {
    let density = EmpiricalDensity([3, -1, 2, 2])
    #expect(density.values == [-1, 2, 2, 3])
    #expect(density.moments(below: 2) == PartialMoments(mass: 0.25, mean: -0.25))
    #expect(density.moments(below: .infinity) == PartialMoments(mass: 1, mean: 1.5))
    #expect(density.secondMoment == 4.5)
    #expect(EmpiricalDensity([-1, 1, 1, -1]).kurtosis == 1)
    let weighted = EmpiricalDensity([2, -1, 3], weights: [2, 1, 1])
    #expect(weighted.moments(below: 2.5) == density.moments(below: 2.5))
    #expect(weighted.kurtosis == density.kurtosis)
    let grid = ScalarGrid(levels: [-1, 0, 2])
    // −1 → −1, 2 → 2 twice, 3 → 2: one error of 1 among four values.
    let error = grid.error(on: density, scale: 1)
    #expect(error.noise == 0.25 && error.correlation == -0.75 && error.power == 4.5)
  }

  @Test func mantissaBitsByPluralityVote() {
    // Tails show in long samples only: the heavier, the more.
    let cases: [(StandardDensity, channels: Int, length: Int, mantissa: Int)] = [
      (.uniform, 9, 4000, 6), (.gaussian, 9, 4000, 5), (.studentT(8), 3, 200_000, 5),
      (.studentT(5), 3, 1_000_000, 4),
    ]
    for (density, channels, length, mantissa) in cases {
      var random = RandomStream(seed: 4).derived(density.name)
      let samples = density.sample([channels, length], &random)
      let choice = MantissaSearch().search(channelsOf: samples)
      #expect(choice.format.mantissaBits == mantissa, "\(density.name): \(choice.votes)")
      #expect(choice.votes[mantissa]! * 2 > channels)
      #expect(choice.clips.count == channels)
    }
  }

  @Test func theVoteIsAPluralityAndIgnoresEmptyChannels() {
    var random = RandomStream(seed: 5)
    let normal = (0..<2).map { _ in random.normal([3000]).elements }
    let uniform = random.uniform([3000], in: -100..<100).elements
    let search = MantissaSearch()
    let choice = search.search(normal + [uniform, [Float](repeating: 0, count: 8)])
    #expect(choice.votes == [5: 2, 6: 1])
    #expect(choice.format == .allFinite(exponentBits: 2, mantissaBits: 5))
    // One vote each: the large channel's error decides.
    #expect(search.search([normal[0], uniform]).format.mantissaBits == 6)
    #expect(search.shares.count == 111 && search.shares[0] == 0.1)
    #expect(abs(search.shares[110] - 1.2) < 1e-15)
    #expect(MantissaSearch(bits: 6).search(normal).format.bits == 6)
  }

  @Test func convertingFloatsToInt8() {
    let int8 = ScalarGrid(IntegerFormat.int8)
    func study(_ exponentBits: Int) -> FormatConversion.Study {
      let float = Minifloat.allFinite(exponentBits: exponentBits, mantissaBits: 7 - exponentBits)
      return FormatConversion(from: ScalarGrid(float), to: int8)
        .study(on: StandardDensity.gaussian)
    }
    #expect(abs(study(2).gain + 2.10) < 0.01)
    #expect(abs(study(4).gain - 9.01) < 0.01)
    #expect(abs(study(4).first.decibels - 31.56) < 0.01)
    #expect(abs(study(4).chain.decibels - 30.9) < 0.1)
    // The chain is never better than its first link by more than chance, nor than the second.
    for exponentBits in 2...5 {
      let result = study(exponentBits)
      #expect(result.chain.noise > result.second.noise)
      #expect(result.chain.noise < result.first.noise + 2 * result.second.noise)
    }
  }

  @Test func aChainOfRoundingsIsWhatHappensToSamples() {
    let samples = RandomStream(seed: 6).normalSamples(20_000)
    let (float, int8) = (Minifloat.e4m3, IntegerFormat.int8)
    let (floatScale, intScale) = (Float(0.02), Float(0.03))
    let rounded = Tensor(
      samples.shape,
      elements: samples.elements.map { x in
        int8.project(float.project(x / floatScale) * floatScale / intScale) * intScale
      })
    let chain = FormatConversion(from: ScalarGrid(float), to: ScalarGrid(int8))
    let exact = chain.error(
      on: EmpiricalDensity(samples), firstClip: Double(floatScale * float.largest),
      secondClip: Double(intScale * int8.largest))
    #expect(abs(RoundingError(of: rounded, from: samples).decibels - exact.decibels) < 1e-2)
  }

  @Test func tensorsAreRankedBesideTheirKurtosis() {
    var random = RandomStream(seed: 7)
    let uniform = FormatRanking(of: random.uniform([50_000], in: -3..<3))
    #expect(uniform.entries.first?.format == "int8" && abs(uniform.kurtosis - 1.8) < 0.02)
    let normal = FormatRanking(of: random.normal([50_000]))
    #expect(normal.entries.map(\.format).prefix(3) == ["e2m5", "int8", "e3m4"])
    #expect(abs(normal.kurtosis - 3) < 0.1)
    var outliers = random.normal([50_000])
    outliers.withMutableElements { pointer in
      for index in stride(from: 0, to: 50_000, by: 500) { pointer[index] *= 60 }
    }
    let heavy = FormatRanking(of: outliers)
    #expect(heavy.kurtosis > 50 && heavy.entries.first?.format == "e3m4")
    #expect(heavy.entries.first { $0.format == "int8" }!.error.decibels < 32)
  }

  @Test func roundingDownUpAndAtRandom() throws {
    let x = Tensor([2, 3], elements: [0.5, 1.25, -1.25, 20, -20, 0.75])
    let quantizer = try Quantizer(IntegerFormat.int4, .channel)
    let layout = try quantizer.layout(of: x.shape)
    let scales = GroupScales(scales: Tensor([2], elements: [1, 2]))
    var random = RandomStream(seed: 8)
    func rounded(_ choice: RoundingChoice) -> [Float] {
      choice.rounded(x, .int4, scales, layout, &random).elements
    }
    #expect(rounded(.nearest) == [0, 1, -1, 14, -16, 0])
    #expect(rounded(.floor) == [0, 1, -2, 14, -16, 0])
    #expect(rounded(.ceiling) == [1, 2, -1, 14, -16, 2])
    #expect(rounded(.nearest) == (try quantizer.projected(x, with: scales)).elements)
    // The mean of random roundings is the value: within four deviations of 4000 draws.
    var sums = [Double](repeating: 0, count: 3)
    for _ in 0..<4000 {
      for (index, value) in rounded(.stochastic).prefix(3).enumerated() {
        sums[index] += Double(value)
      }
    }
    for (sum, value) in zip(sums, [0.5, 1.25, -1.25]) {
      #expect(abs(sum / 4000 - value) < 4 * 0.5 / 4000.0.squareRoot())
    }
  }
}

extension RandomStream {
  fileprivate func normalSamples(_ count: Int) -> Tensor {
    var stream = self
    return stream.normal([count])
  }
}
