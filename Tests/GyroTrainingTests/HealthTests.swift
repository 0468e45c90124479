import CGyroKernels
import Foundation
import GyroModels
import GyroOptimization
import GyroTensors
import Testing

@testable import GyroTraining

@Suite struct HealthTests {
  private static let path: ParameterPath = "hidden.weight"

  @Test func `oscillation is a change against the last change`() {
    // Scale 1, levels −3…3. A weight that goes up and up, one that swings, one that rests.
    let grid = GridWeights(quantizedWeights: [], scale: 1)
    let steps: [[Float]] = [[0, 0, 1], [1, 1, 1], [2, 0, 1], [2, 1, 1], [3, 1, 1], [3, 0, 1]]
    var tracker = OscillationTracker(grid.codes(steps[0]))
    let counts = steps.dropFirst().map {
      tracker.observe(grid.codes($0), momentum: 0.5, limit: 0.4)
    }
    #expect(counts.map(\.flips) == [2, 2, 1, 1, 1])
    #expect(counts.map(\.reversals) == [0, 1, 1, 0, 1])
    #expect(counts.map(\.oscillating) == [0, 1, 1, 0, 1])
    // 0, then ½, ¾, ⅜, and 11/16 of a reversal.
    #expect(tracker.frequency.elements == [0, 0.6875, 0])
    #expect(tracker.direction.elements == [1, -1, 0])
    #expect(tracker.mean[2] == 4)
  }

  @Test func `many weights are observed as each alone`() {
    // More than one thread's share, and a held one here and there.
    let count = 20_011
    var random = RandomStream(seed: 3)
    let grid = GridWeights(quantizedWeights: [], scale: 1)
    func weights() -> [Float] { (0..<count).map { _ in Float(random.integer(below: 7)) - 3 } }
    let held = Tensor([count], elements: (0..<count).map { $0 % 50 == 7 ? 3 : 0 })
    let start = weights()
    var tracker = OscillationTracker(grid.codes(start))
    var (previous, mean) = (start.map { $0 + 3 }, start.map { $0 + 3 })
    var direction = [Float](repeating: 0, count: count)
    var frequency = direction
    for _ in 0..<5 {
      let next = weights()
      let counts = tracker.observe(grid.codes(next), momentum: 0.25, limit: 0.3, held: held)
      var expected = OscillationTracker.Counts()
      for i in 0..<count {
        let level = held[i] > 0 ? held[i] - 1 : next[i] + 3
        let sign: Float = level > previous[i] ? 1 : level < previous[i] ? -1 : 0
        let isReversal = sign != 0 && sign == -direction[i]
        frequency[i] = 0.25 * (isReversal ? 1 : 0) + 0.75 * frequency[i]
        mean[i] = 0.25 * level + 0.75 * mean[i]
        if sign != 0 { direction[i] = sign }
        previous[i] = level
        expected.flips += sign == 0 ? 0 : 1
        expected.reversals += isReversal ? 1 : 0
        expected.oscillating += frequency[i] > 0.3 ? 1 : 0
      }
      #expect(counts == expected)
    }
    #expect(tracker.level.elements == previous && tracker.direction.elements == direction)
    #expect(tracker.frequency.elements == frequency && tracker.mean.elements == mean)
  }

  @Test func `groups and zero points are heeded by dampening and freezing`() {
    // Two groups of three: values (0, 1, 2, 3) − offset, times the scale.
    let codes = WeightCodes(
      levels: [0, 1, 3, 0, 2, 3], values: [0, 1, 2, 3], scales: [0.5, 2], offsets: [1, 2])
    let weight: [Float] = [-0.6, 0.1, 0.9, -4, 0.5, 1]
    var gradient = [Float](repeating: 1, count: 6)
    codes.withGrid { gyro_dampen($0, weight, codes.levels, 6, 2, &gradient) }
    // Element 0 lies outside −0.5…1; the others stand for 0, 1, −4, 0, 2.
    for (a, b) in zip(gradient, [1, 1.2, 0.8, 1, 2, -1] as [Float]) { #expect(abs(a - b) < 1e-6) }
    var values = weight
    codes.withGrid { gyro_write_held($0, [0, 2, 0, 1, 0, 4], 6, &values) }
    #expect(values == [-0.6, 0, 0.9, -4, 0.5, 2])
  }

  @Test func `figures of a weight equal their definitions`() {
    let grid = GridWeights(quantizedWeights: [], scale: 0.5)
    // Levels ±3 end at ±1.5; half a step further, at ±1.75, clipping begins.
    let weights: [Float] = [1.74, -1.74, 1.76, -9, 0, 0.1, 0.6, 0.5]
    var health = WeightHealth(
      path: "w", weight: Tensor([8], elements: weights), codes: grid.codes(weights),
      startScales: [0.25])
    #expect(health.clippedShare == 0.25)
    #expect(health.deadCodeShare == 3.0 / 7)
    #expect(health.scaleDrift == 1 && health.badScales == 0 && health.scales == 1)
    let bad = WeightCodes(levels: [0, 1], values: [0, 1], scales: [-1, .nan])
    health = WeightHealth(path: "w", weight: .ones([2]), codes: bad, startScales: [1, 1])
    #expect(health.badScales == 2)
    // A zero point moves the ends.
    let shifted = WeightCodes(
      levels: [0, 3], values: [0, 1, 2, 3], scales: [1], offsets: [3])
    health = WeightHealth(
      path: "w", weight: Tensor([2], elements: [-3.4, 0.6]), codes: shifted, startScales: [])
    #expect(health.clippedShare == 0.5)
  }

  @Test func `each ailment has its words`() {
    var health = WeightHealth(path: "fc.weight")
    #expect(health.advice(HealthLimits(), step: 7).isEmpty)
    health.clippedShare = 0.123
    health.deadCodeShare = 0.6
    health.elementsPerCode = 8
    health.oscillatingShare = 0.255
    health.scaleDrift = 1.5
    health.gradientRatio = 1234
    health.badScales = 3
    health.scales = 16
    #expect(
      health.advice(HealthLimits(), step: 7).map(\.description) == [
        "fc.weight: 12 % of its elements are clipped (limit 5 %); give it a wider range, a scale "
          + "per channel, or let its scale learn faster",
        "fc.weight: 60 % of its codes are never used (limit 50 %); its range is too wide: clip it "
          + "by mean-square error, use a scale per channel, or spend fewer bits",
        "fc.weight: 26 % of its elements swing between two codes (limit 10 %); try oscillation "
          + "dampening or freezing, or let the learning rate end lower",
        "fc.weight: its scale has moved by 150 % since the first sample (limit 100 %); lower the "
          + "learning rate of scales, or freeze them once they settle",
        "fc.weight: relative to their sizes, its scale's gradient is 1234 times its weights' "
          + "(limit 100); scale it by 1/sqrt(N Q) as LSQ does, or lower the learning rate of scales",
        "fc.weight: 3 of its 16 scales are not positive numbers; lower the learning rate of "
          + "scales, or start them from the range of the weights",
      ])
    health = WeightHealth(path: "fc.weight")
    health.gradientRatio = 0.002
    #expect(
      health.advice(HealthLimits(), step: 7).map(\.description) == [
        "fc.weight: relative to their sizes, its weights' gradient is 500 times its scale's "
          + "(limit 100); raise the learning rate of scales"
      ])
    health.gradientRatio = 1
    health.deadCodeShare = 0.9
    health.elementsPerCode = 7
    #expect(health.advice(HealthLimits(), step: 7).isEmpty, "few elements cannot use all codes")
  }

  @Test func `samples are lines, and advice comes once`() throws {
    let folder = try TemporaryDirectory()
    let url = folder.url.appendingPathComponent("health.jsonl")
    var (network, state) = try TinyRun.state()
    // A grid much too small for the weights: they are clipped throughout. The output weights play
    // the part of a learned scale.
    let grid = GridWeights(
      quantizedWeights: [Self.path], scale: 0.05, scales: [Self.path: "output.weight"])
    let health = QuantizationHealth(grid, to: url, every: 5)
    let recorder = Recorder()
    var said = ""
    let reporter = ProgressReporter(style: .plain(seconds: 1e9), clock: { 0 }) { said += $0 }
    try TinyRun()(network, &state, callbacks: [health, recorder, reporter])
    #expect(recorder.names.filter { $0.hasPrefix("advised") } == ["advised 1"])
    #expect(
      recorder.names.firstIndex(of: "advised 1") == recorder.names.firstIndex(of: "stepped 5")! + 1)
    #expect(said.contains("train: step 5: hidden.weight: "))
    let lines = try String(contentsOf: url, encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 3)
    #expect(lines[0].hasPrefix(#"{"step":5,"weight":"hidden.weight","clipped":0."#))
    #expect(lines[2].contains(#""gradient_ratio":"#))
    #expect(health.latest.count == 1 && health.latest[0].clippedShare > 0.05)
    network = TinyNetwork()
    #expect(state.notes["health advice"]?.contains("hidden.weight:clipping") == true)
  }

  @Test func `dampening adds its gradient to weights inside their grid`() throws {
    var (_, state) = try TinyRun.state()
    let grid = GridWeights(quantizedWeights: [Self.path], scale: 0.25)
    let control = OscillationControl(
      grid, dampening: try Schedule(.cosine, peak: 0, final: 0.1, steps: 12))
    let weight = state.parameters[Self.path]
    let rounded = grid.rounded(weight)
    for (step, factor) in [(0, Float(0)), (6, 0.1), (12, 0.2)] {
      state.step = step
      var gradients = Gradients()
      gradients[Self.path] = .ones(weight.shape)
      try control.willUpdate(&gradients, batches: 3, &state)
      let expected = zip(weight.elements, rounded.elements).map { value, grid in
        abs(value) <= 0.75 ? 1 + 3 * factor * (value - grid) : 1
      }
      #expect(weight.elements.contains { abs($0) > 0.75 })
      #expect(gradients[Self.path]!.elements != rounded.elements)
      for (a, b) in zip(gradients[Self.path]!.elements, expected) { #expect(abs(a - b) < 1e-6) }
    }
    #expect(state.extra.isEmpty)
  }

  @Test func `a frozen weight stays at its rounded mean level`() throws {
    var (_, state) = try TinyRun.state()
    let path: ParameterPath = "output.weight"
    let grid = GridWeights(quantizedWeights: [path], scale: 0.25)
    let control = OscillationControl(
      grid, freezing: try Schedule(peak: 0.4, steps: 100), momentum: 0.25)
    var gradients = Gradients()
    // Element 0 spends three steps of four on level 1, one on level 2; element 1 rises slowly.
    let first: [Float] = [0.25, 0.25, 0.5, 0.25, 0.25, 0.25, 0.5, 0.25, 0.5, 0.25, 0.5, 0.25, 0.5]
    var held: [Int] = []
    for (step, value) in first.enumerated() {
      state.step = step
      try control.willUpdate(&gradients, batches: 1, &state)
      state.parameters.update(path) {
        $0.withMutableElements {
          $0[0] = value + 0.03
          $0[1] = Float(step) * 0.1
          for i in 2..<16 { $0[i] = 0.1 }
        }
      }
      try control.didUpdate(&state)
      held.append(control.heldCount)
    }
    #expect(held.first == 0 && held.last == 1 && held == held.sorted())
    let level = (state.extra["oscillation/output.weight/held"]!.elements[0] - 1) - 3
    #expect(level == 1 || level == 2)
    #expect(state.parameters[path].elements[0] == level * 0.25, "on the grid, wherever it was put")
    #expect(state.parameters[path].elements[1] == 1.2)
    // Another format: it is let go and watched from scratch.
    var wider = grid
    wider.largest = 7
    let other = OscillationControl(wider, freezing: try Schedule(peak: 0.4, steps: 100))
    try other.willUpdate(&gradients, batches: 1, &state)
    #expect(state.extra["oscillation/output.weight/held"]!.elements.allSatisfy { $0 == 0 })
  }

  @Test("Health and oscillation control resume in the same bits", arguments: [1, 5, 8])
  func resume(at step: Int) throws {
    let folder = try TemporaryDirectory()
    let directory = CheckpointDirectory(folder.url, fingerprints: TinyRun().options.fingerprints)
    let grid = GridWeights(quantizedWeights: [Self.path, "output.weight"], delay: 2)
    func callbacks(_ name: String) throws -> [any TrainingCallback] {
      [
        OscillationControl(
          grid, dampening: try Schedule(.cosine, peak: 0, final: 0.5, steps: 12),
          freezing: try Schedule(.cosine, peak: 0.3, final: 0.01, steps: 12), momentum: 0.2),
        QuantizationHealth(
          grid, to: folder.url.appendingPathComponent(name), every: 3),
      ]
    }
    func run(
      _ network: TinyNetwork, _ state: inout TrainingState, _ all: [any TrainingCallback],
      _ directory: CheckpointDirectory? = nil
    ) throws {
      let saving = directory.map { [CheckpointCallback($0, every: step)] } ?? []
      let trainer = Trainer(
        TinyRun().options,
        callbacks: all + saving
          + [
            Recorder { event, _ in
              if directory != nil, case .checkpointed = event { throw CancellationError() }
            }
          ])
      try trainer.run(
        &state, instrumentation: grid, size: \.count, absorb: network.absorb
      ) {
        TinyNetwork.batch($0)
      } loss: {
        network.loss($0, $1)
      }
    }
    var (network, whole) = try TinyRun.state()
    var first = whole
    var plain = whole
    try run(network, &whole, callbacks("whole.jsonl"))
    #expect(throws: CancellationError.self) {
      try run(network, &first, callbacks("parts.jsonl"), directory)
    }
    var (otherNetwork, second) = try TinyRun.state(initialization: 2)
    try directory.restore(&second)
    try run(otherNetwork, &second, callbacks("parts.jsonl"))
    #expect(bits(of: second) == bits(of: whole))
    #expect(second.notes == whole.notes)
    func text(_ name: String) throws -> String {
      try String(contentsOf: folder.url.appendingPathComponent(name), encoding: .utf8)
    }
    #expect(try text("parts.jsonl") == text("whole.jsonl"))
    // Without the two callbacks training goes elsewhere: they did something.
    try run(network, &plain, [])
    #expect(
      bits(of: plain)["parameters hidden.weight"] != bits(of: whole)["parameters hidden.weight"])
    network = otherNetwork
  }
}
