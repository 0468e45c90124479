public import Foundation
public import GyroModels
import GyroTensors

/// Watches quantized weights while they train: what is clipped, which codes are dead, what flips and
/// oscillates, where scales drift. Writes one line of JSON for each weight and sample, and gives
/// advice, once for each weight and ailment, as an event that progress reporters print.
///
/// ```
/// {"step":40,"weight":"fc.weight","clipped":0.0,"dead_codes":0.25,"flips":0.012,…}
/// ```
/// What it compares with is carried in `TrainingState.extra`, so a resumed run writes the file that
/// an uninterrupted one would have written.
public final class QuantizationHealth: TrainingCallback {
  private let weights: any QuantizedWeights
  private let url: URL?
  private let interval: Int
  private let limits: HealthLimits
  private let momentum: Float
  private var file: MetricsFile?
  private var ratios: [ParameterPath: Double] = [:]
  /// The state of every weight at the last sample.
  public private(set) var latest: [WeightHealth] = []

  /// - Parameters:
  ///   - url: the file of samples, usually `health.jsonl`; nil for none.
  ///   - every: the number of steps between samples; the last step always gets one.
  ///   - momentum: the share of a new sample in oscillation frequencies.
  public init(
    _ weights: any QuantizedWeights, to url: URL? = nil, every interval: Int = 20,
    limits: HealthLimits = HealthLimits(), momentum: Double = 0.1
  ) {
    precondition(interval >= 1, "QuantizationHealth: the interval is \(interval)")
    precondition(
      momentum > 0 && momentum <= 1, "QuantizationHealth: the momentum is \(momentum), not in 0…1")
    self.weights = weights
    self.url = url
    self.interval = interval
    self.limits = limits
    self.momentum = Float(momentum)
  }

  public func handle(
    _ event: TrainingEvent, _ state: inout TrainingState
  ) throws -> TrainingEvent? {
    switch event {
    case .began(let step, _):
      file = try url.map { try MetricsFile($0, resumedStep: step > 0 ? step : nil) }
      // A resumed run goes on with what it carries.
      if step == 0 {
        for path in weights.quantizedWeights { _ = try observe(path, &state) }
      }
      return nil
    case .stepped(let metrics):
      guard metrics.step % interval == 0 || metrics.step == metrics.steps else { return nil }
      return try sample(&state)
    default:
      return nil
    }
  }

  public func willUpdate(
    _ gradients: inout Gradients, batches: Int, _ state: inout TrainingState
  ) {
    ratios = [:]
    for path in weights.quantizedWeights {
      guard let scale = weights.learnedScale(of: path), let ofScale = gradients[scale],
        let ofWeight = gradients[path]
      else { continue }
      func size(_ tensor: Tensor) -> Double { tensor.sumOfSquares().squareRoot() }
      let relative = size(ofScale) / size(state.parameters[scale])
      ratios[path] = relative * size(state.parameters[path]) / size(ofWeight)
    }
  }

  private func sample(_ state: inout TrainingState) throws -> TrainingEvent? {
    var advice: [HealthAdvice] = []
    latest = []
    var given = Set((state.notes[Self.note] ?? "").split(separator: ",").map(String.init))
    for path in weights.quantizedWeights {
      guard var health = try observe(path, &state) else { continue }
      health.gradientRatio = ratios[path].flatMap { $0.isFinite ? $0 : nil }
      latest.append(health)
      try file?.append(step: state.step, labels: [("weight", path.name)], health.figures)
      for item in health.advice(limits, step: state.step)
      where given.insert("\(path):\(item.ailment.rawValue)").inserted { advice.append(item) }
    }
    guard !advice.isEmpty else { return nil }
    state.notes[Self.note] = given.sorted().joined(separator: ",")
    return .advised(advice)
  }

  /// Compares a weight with its last sample, or begins to watch it.
  private func observe(
    _ path: ParameterPath, _ state: inout TrainingState
  ) throws -> WeightHealth? {
    // `state.step` is the next step: what it will compute with is what is looked at.
    guard let codes = try weights.codes(of: path, in: state.parameters, step: state.step) else {
      return nil
    }
    let name = "health/\(path)"
    guard var tracker = OscillationTracker(taking: name, from: &state.extra, for: codes) else {
      OscillationTracker(codes).store(name, in: &state.extra)
      state.extra["\(name)/scales"] = Tensor([codes.scales.count], elements: codes.scales)
      return WeightHealth(
        path: path, weight: state.parameters[path], codes: codes, startScales: codes.scales)
    }
    let counts = tracker.observe(codes, momentum: momentum, limit: Float(limits.frequency))
    var health = WeightHealth(
      path: path, weight: state.parameters[path], codes: codes,
      startScales: state.extra["\(name)/scales"]?.elements ?? codes.scales)
    let all = Double(max(codes.levels.count, 1))
    health.flipShare = Double(counts.flips) / all
    health.oscillatingShare = Double(counts.oscillating) / all
    health.oscillationFrequency = tracker.frequency.preciseSum() / all
    tracker.store(name, in: &state.extra)
    return health
  }

  private static let note = "health advice"
}
