import Glibc
import GyroCache
import GyroTensors
import Testing

/// Estimates of ⟨q, k⟩ by independent sketches of the same kind: the formula in plain floats, many
/// sketches cut from each tall one.
struct SketchTrials {
  /// `[query][trial]`, for unit vectors at the given cosines to the key.
  var estimates: [[Double]]
  let cosines: [Double]
  let columns: Int

  /// - Parameter rows: Of each sketch; for orthogonal kinds whole blocks.
  init(
    _ kind: SketchKind, rows: Int, columns: Int, trials: Int, cosines: [Double], seed: UInt64
  ) throws {
    self.cosines = cosines
    self.columns = columns
    var random = RandomStream(seed: seed)
    var basis = random.normal([columns, columns])
    basis = try basis.qr().q.transposed().contiguous()
    let key = basis.sliced(axis: 0, 0..<1).contiguous().elements
    let across = basis.sliced(axis: 0, 1..<2).contiguous().elements
    var points = key
    for cosine in cosines {
      for i in 0..<columns {
        points.append(
          Float(cosine) * key[i] + Float((1 - cosine * cosine).squareRoot()) * across[i])
      }
    }
    let both = Tensor([cosines.count + 1, columns], elements: points)
    estimates = cosines.map { _ in [] }
    let tall = 4096, factor = (Double.pi / 2).squareRoot() / Double(rows)
    while estimates[0].count < trials {
      let sketch = try Sketch(kind, rows: tall, columns: columns, seed: random.next())
      let projections = sketch.projected(both).elements
      for first in stride(from: 0, to: tall, by: rows) where estimates[0].count < trials {
        for query in cosines.indices {
          var sum = 0.0
          for row in first..<first + rows {
            let x = Double(projections[(query + 1) * tall + row])
            sum += projections[row] > 0 ? x : -x
          }
          estimates[query].append(factor * sum)
        }
      }
    }
  }

  func mean(_ query: Int) -> Double {
    estimates[query].reduce(0, +) / Double(estimates[query].count)
  }

  func variance(_ query: Int) -> Double {
    let mean = mean(query)
    return estimates[query].reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      / Double(estimates[query].count - 1)
  }
}

@Suite struct QJLEstimatorTests {
  @Test func normalRowsAreUnbiasedWithTheClosedFormVarianceAndAnExactTail() throws {
    let trials = 100_000, rows = 64
    let runs = try SketchTrials(
      .gaussian, rows: rows, columns: 4, trials: trials, cosines: [0, 0.5342, 0.9], seed: 1)
    for (query, cosine) in runs.cosines.enumerated() {
      let variance = SketchKind.gaussian.variance(rows: rows, columns: 4, cosine: cosine)
      #expect(variance == (.pi / 2 - cosine * cosine) / Double(rows))
      let sigma = (variance / Double(trials)).squareRoot()
      #expect(abs(runs.mean(query) - cosine) < 3 * sigma, "cosine \(cosine)")
      #expect(abs(runs.variance(query) / variance - 1) < 0.03, "cosine \(cosine)")
    }
    // At ⟨q, k⟩ = 0 the estimate is exactly normal, so its tail is known, and it is fatter than the
    // published lemma's δ (0.01 and 0.05 for these).
    for (together, error, failure) in [(4, 0.1805, 0.0212), (8, 0.1029, 0.0631)] {
      let rows = Double(64 * together)
      #expect(abs(erfc(error / (Double.pi / rows).squareRoot()) - failure) < 2e-4)
      let estimates = stride(from: 0, to: trials, by: together).map { first in
        runs.estimates[0][first..<first + together].reduce(0, +) / Double(together)
      }
      let count = Double(estimates.count)
      let share = Double(estimates.count { abs($0) > error }) / count
      #expect(abs(share - failure) < 3 * (failure / count).squareRoot(), "\(rows) rows")
    }
  }

  @Test func sketchedBeatsUnquantizedProjectionsOnlyAtLargeCosines() {
    // Johnson–Lindenstrauss without signs: (1 + cos²)/m.
    for (cosine, isBetter) in [(0.5, false), (0.534, false), (0.535, true), (0.9, true)] {
      let unquantized = (1 + cosine * cosine) / 64
      let sketched = SketchKind.gaussian.variance(rows: 64, columns: 64, cosine: cosine)
      #expect((sketched < unquantized) == isBetter)
    }
  }

  @Test func orthogonalRowsAreBiasedByBetaAndVaryLess() throws {
    let size = 16
    let beta = SketchKind.orthogonal.bias(columns: size)
    for (rows, trials, tolerance) in [(16, 20_000, 0.03), (64, 4000, 0.06)] {
      let runs = try SketchTrials(
        .orthogonal, rows: rows, columns: size, trials: trials, cosines: [0, 0.5, 1], seed: 2)
      for (query, cosine) in runs.cosines.enumerated() {
        let law = SketchKind.orthogonal.variance(rows: rows, columns: size, cosine: cosine)
        let sigma = (law / Double(trials)).squareRoot()
        #expect(abs(runs.mean(query) - beta * cosine) < 3 * sigma, "\(rows) rows, \(cosine)")
        #expect(abs(runs.variance(query) / law - 1) < tolerance, "\(rows) rows, \(cosine)")
        if cosine == 1 {
          #expect(runs.mean(query) - 1 > 10 * sigma, "the bias can be seen")
        }
        if cosine == 0 {
          let normal = SketchKind.gaussian.variance(rows: rows, columns: size, cosine: 0)
          #expect(abs(normal / law - 2.752) < 0.001)
        }
      }
    }
  }

  @Test func hadamardRowsHaveTheStatisticsOfOrthogonalOnes() throws {
    let size = 16, trials = 6000
    let runs = try SketchTrials(
      .hadamard, rows: 16, columns: size, trials: trials, cosines: [0, 0.5, 1], seed: 3)
    let beta = SketchKind.hadamard.bias(columns: size)
    for (query, cosine) in runs.cosines.enumerated() {
      let law = SketchKind.hadamard.variance(rows: 16, columns: size, cosine: cosine)
      #expect(abs(runs.mean(query) - beta * cosine) < 0.01)
      #expect(abs(runs.variance(query) / law - 1) < 0.08, "\(cosine)")
    }
  }

  @Test func shorterThanABlockTheVarianceLawHoldsToo() throws {
    // 64 of 128 orthogonal rows.
    let law = SketchKind.orthogonal.variance(rows: 64, columns: 128, cosine: 0)
    #expect(abs(law - (.pi / 2 / 64 - 63.0 / 64 / 127)) < 1e-15)
    var squares = 0.0, count = 0.0
    var random = RandomStream(seed: 4)
    for seed in 0..<24 {
      let sketch = try Sketch(.orthogonal, rows: 64, columns: 128, seed: UInt64(seed))
      let points = random.normal([64, 128])
      let projections = sketch.projected(points).elements
      let inner = points.matmul(points, transposingOther: true).elements
      for q in 0..<64 {
        for k in 0..<64 where k != q {
          var sum: Float = 0
          for row in 0..<64 {
            let x = projections[q * 64 + row]
            sum += projections[k * 64 + row] > 0 ? x : -x
          }
          let norms = inner[q * 65].squareRoot() * inner[k * 65].squareRoot()
          let estimate =
            Double(Float.pi / 2).squareRoot() / 64 * Double(sum * inner[k * 65].squareRoot())
          let error = (estimate - Double(inner[q * 64 + k])) / Double(norms)
          squares += error * error
          count += 1
        }
      }
    }
    // Cosines of random pairs are small: cos² = 1/128 on average.
    let mean = SketchKind.orthogonal.variance(
      rows: 64, columns: 128, cosine: (1 / 128.0).squareRoot())
    #expect(abs(squares / count / mean - 1) < 0.03)
  }

  @Test func softmaxErrorFallsWithTheRootOfTheRows() throws {
    let shape = try CacheShape(keyValueHeads: 1, headSize: 64, capacity: 256)
    var random = RandomStream(seed: 5)
    let keys = random.normal([256, 64]), queries = random.normal([16, 64]) * 0.3
    var exact = try FloatKeyCache(shape)
    try exact.append(keys)
    let expected = CacheAttention.probabilities(try exact.scores(queries))
    var points: [(x: Double, y: Double)] = []
    for rows in [64, 128, 256, 512, 1024, 2048] {
      var squares = 0.0
      for seed in 0..<6 {
        let options = QJLOptions(rows: rows, kind: .gaussian, window: 0, seed: UInt64(seed))
        var cache = try QJLKeyCache(shape, options)
        try cache.append(keys)
        let got = CacheAttention.probabilities(try cache.scores(queries))
        for (a, b) in zip(got, expected) { squares += Double((a / b - 1) * (a / b - 1)) }
      }
      points.append((log(Double(rows)), log(squares) / 2))
    }
    let middle = points.reduce((0.0, 0.0)) { ($0.0 + $1.x / 6, $0.1 + $1.y / 6) }
    let slope =
      points.reduce(0) { $0 + ($1.x - middle.0) * ($1.y - middle.1) }
      / points.reduce(0) { $0 + ($1.x - middle.0) * ($1.x - middle.0) }
    #expect(abs(slope + 0.5) < 0.05, "slope \(slope)")
  }
}

extension CacheAttention {
  /// Softmax without a mask, scores over √64.
  static func probabilities(_ scores: Tensor) -> [Float] { (scores * 0.125).softmax().elements }
}
