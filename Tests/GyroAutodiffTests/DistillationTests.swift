import Glibc
import GyroTensors
import TestSupport
import Testing

@testable import GyroAutodiff

@Suite struct DistillationTests {
  private func logits(
    _ shape: Shape, seed: UInt64, deviation: Float = 1
  ) -> Tensor {
    var random = RandomStream(seed: seed)
    return random.normal(shape, standardDeviation: deviation)
  }

  /// A row's distribution at a temperature, in double precision.
  private func distribution(_ x: Tensor, _ row: Int, _ temperature: Double) -> [Double] {
    let columns = x.shape.columns
    let cells = x.elements[row * columns..<(row + 1) * columns].map { Double($0) / temperature }
    let top = cells.max()!
    let sum = cells.reduce(0) { $0 + exp($1 - top) }
    return cells.map { exp($0 - top) / sum }
  }

  private func divergence(_ p: [Double], _ q: [Double]) -> Double {
    zip(p, q).reduce(0) { $0 + ($1.0 == 0 ? 0 : $1.0 * log($1.0 / $1.1)) }
  }

  @Test(arguments: [Float(1), 2, 0.5])
  func `the reverse divergence equals its formula`(_ temperature: Float) {
    let student = logits([5, 83], seed: 1), teacher = logits([5, 83], seed: 2)
    let t = Double(temperature)
    let expected = (0..<5).reduce(0.0) {
      $0 + t * t / 5
        * divergence(distribution(student, $1, t), distribution(teacher, $1, t))
    }
    let value = Variable(constant: student)
      .reverseKullbackLeibler(toTeacher: teacher, temperature: temperature).value.item
    #expect(abs(Double(value) - expected) < 2e-6 * max(1, expected))
    checkGradients(of: [student]) {
      $0[0].reverseKullbackLeibler(toTeacher: teacher, temperature: temperature)
    }
    checkNeeds(KullbackLeiblerOp(.reverse, teacher: teacher, temperature: temperature), [student])
  }

  @Test func `the reverse gradient equals its formula element by element`() {
    let student = logits([3, 300], seed: 3, deviation: 3)
    let teacher = logits([3, 300], seed: 4, deviation: 3)
    let (_, gradients) = valueAndGradients(of: [student]) {
      $0[0].reverseKullbackLeibler(toTeacher: teacher, temperature: 2)
    }
    let expected = (0..<3).flatMap { row in
      let (q, p) = (distribution(student, row, 2), distribution(teacher, row, 2))
      let own = divergence(q, p)
      return zip(q, p).map { Float(2.0 / 3 * $0 * (log($0 / $1) - own)) }
    }
    expectClose(gradients[0].elements, expected, relative: 1e-4, absolute: 1e-7)
  }

  @Test func `the temperature squared keeps the size of the gradient`() {
    // For large T both divergences tend to (s − t)² / 2V, centered: no T is left.
    let student = logits([4, 10], seed: 5), teacher = logits([4, 10], seed: 6)
    func gradient(_ temperature: Float, reverse: Bool) -> Tensor {
      valueAndGradients(of: [student]) {
        reverse
          ? $0[0].reverseKullbackLeibler(toTeacher: teacher, temperature: temperature)
          : $0[0].kullbackLeibler(toTeacher: teacher, temperature: temperature)
      }.gradients[0]
    }
    let difference = student - teacher
    let centered = difference - difference.mean(axes: [1], keepingAxes: true)
    for reverse in [false, true] {
      expectClose(
        gradient(100, reverse: reverse), centered * (1.0 / 40), relative: 0.1, absolute: 2e-3)
    }
  }

  @Test(arguments: [1, 2, 7, 64, 65, 500, 1000])
  func `the largest logits are kept in order of their classes`(_ kept: Int) {
    var x = logits([7, 1000], seed: 7)
    x.withMutableElements { for i in 0..<1000 { $0[i] = Float(i % 10) } }  // ties
    let cache = TeacherCache(logits: x, keeping: kept, temperature: 2)
    #expect(cache.kept == kept && cache.rows == 7 && cache.classes == 1000)
    for row in 0..<7 {
      let cells = Array(x.elements[row * 1000..<(row + 1) * 1000])
      let best = cells.indices.sorted { (cells[$0], $1) > (cells[$1], $0) }.prefix(kept).sorted()
      #expect(cache.indices[row * kept..<(row + 1) * kept].map(Int.init) == best)
      #expect(cache.logits.elements[row * kept..<(row + 1) * kept] == best.map { cells[$0] }[...])
      let others = cells.indices.filter { !best.contains($0) }
      let rest = log(others.reduce(0.0) { $0 + exp(Double(cells[$1]) / 2) })
      expectClose([cache.rest[row]], [Float(rest)], relative: 1e-6)
    }
  }

  @Test(arguments: [Float(1), 2]) func `all classes kept give the full divergence`(
    _ temperature: Float
  ) {
    let student = logits([2, 3, 83], seed: 8), teacher = logits([2, 3, 83], seed: 9, deviation: 2)
    func both(_ body: (Variable) -> Variable) -> (Tensor, Tensor) {
      let (value, gradients) = valueAndGradients(of: [student]) { body($0[0]) }
      return (value, gradients[0])
    }
    let (full, fullGradient) = both {
      $0.kullbackLeibler(toTeacher: teacher, temperature: temperature)
    }
    let cache = TeacherCache(logits: teacher, keeping: 83, temperature: temperature)
    let (cached, cachedGradient) = both { $0.kullbackLeibler(toTeacher: cache) }
    expectClose(cached, full, relative: 1e-6, absolute: 1e-7)
    expectClose(cachedGradient, fullGradient, relative: 1e-5, absolute: 1e-8)
  }

  @Test(arguments: [1, 5, 80, 299], [Float(1), 3])
  func `the cached divergence is that of the buckets`(_ kept: Int, _ temperature: Float) {
    let student = logits([4, 300], seed: 10, deviation: 2)
    let teacher = logits([4, 300], seed: 11, deviation: 3)
    let cache = TeacherCache(logits: teacher, keeping: kept, temperature: temperature)
    let t = Double(temperature)
    var expected = 0.0, full = 0.0
    var wanted: [Float] = []
    for row in 0..<4 {
      let (p, q) = (distribution(teacher, row, t), distribution(student, row, t))
      let own = cache.indices[row * kept..<(row + 1) * kept].map(Int.init)
      func buckets(_ x: [Double]) -> [Double] {
        own.map { x[$0] }
          + [x.indices.filter { !own.contains($0) }.reduce(0) { $0 + x[$1] }]
      }
      let (coarse, fine) = (buckets(p), buckets(q))
      expected += t * t / 4 * divergence(coarse, fine)
      full += t * t / 4 * divergence(p, q)
      wanted += q.indices.map {
        Float(t / 4 * (own.contains($0) ? q[$0] - p[$0] : q[$0] * (1 - coarse.last! / fine.last!)))
      }
    }
    let (value, gradients) = valueAndGradients(of: [student]) {
      $0[0].kullbackLeibler(toTeacher: cache)
    }
    #expect(abs(Double(value.item) - expected) < 5e-6 * max(1, expected))
    #expect(expected <= full)
    expectClose(gradients[0].elements, wanted, relative: 1e-3, absolute: 1e-6)
    checkGradients(of: [student]) { $0[0].kullbackLeibler(toTeacher: cache) }
    checkNeeds(CachedDivergenceOp(teacher: cache), [student])
  }

  @Test func `a tail too small for a Float beside the rest still has a loss`() {
    let teacher = Tensor([1, 3], elements: [0, -1, -2])
    let student = Tensor([1, 3], elements: [200, -1, -2])
    let cache = TeacherCache(logits: teacher, keeping: 1)
    let (value, gradients) = valueAndGradients(of: [student]) {
      $0[0].kullbackLeibler(toTeacher: cache)
    }
    #expect(value.item.isFinite && value.item > 50)
    #expect(gradients[0].allFinite)
  }

  @Test func `rows of a cache are a cache of rows`() {
    let teacher = logits([6, 40], seed: 12), student = logits([2, 40], seed: 13)
    let some = TeacherCache(logits: teacher, keeping: 9).rows(3..<5)
    let direct = TeacherCache(logits: teacher.sliced(axis: 0, 3..<5), keeping: 9)
    #expect(some.indices == direct.indices)
    let x = Variable(constant: student)
    expectSameBits(
      x.kullbackLeibler(toTeacher: some).value, x.kullbackLeibler(toTeacher: direct).value)
  }

  @Test func `the mixed loss mixes`() {
    let student = logits([4, 10], seed: 14), teacher = logits([4, 10], seed: 15)
    let targets: [Int32] = [1, 2, 3, 4]
    let x = Variable(constant: student)
    func loss(_ share: Float) -> Float {
      x.distillationLoss(toward: .logits(teacher), targets: targets, share: share).value.item
    }
    let (own, soft) = (
      x.crossEntropy(targets: targets).value.item, x.kullbackLeibler(toTeacher: teacher).value.item
    )
    #expect(loss(0) == own && loss(1) == soft)
    expectClose([loss(0.25)], [0.25 * soft + 0.75 * own], relative: 1e-6)
    for teacher in [
      DistillationTeacher.logits(teacher, temperature: 2),
      .cache(TeacherCache(logits: teacher, keeping: 3, temperature: 2)),
    ] {
      checkGradients(of: [student]) {
        $0[0].distillationLoss(toward: teacher, targets: targets, share: 0.5)
      }
    }
  }
}
