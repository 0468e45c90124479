public import GyroQuantization

/// When what is switched on during quantization-aware training: one checked list instead of
/// callbacks that flip flags.
///
/// ```
/// let milestones = try MilestoneSchedule([
///   Milestone(at: 0, .observers(true)),
///   Milestone(at: 100, .weights(true), .activations(true), .distillation(1)),
///   Milestone(at: 300, .observers(false), .scalesFrozen(true), .batchNormFrozen(true)),
/// ], steps: 400)
/// ```
/// Law: `state(at:)` is a function of the step alone, so a resumed run needs no state, and the list
/// can be drawn (`timeline`) before the run begins.
public struct MilestoneSchedule: Sendable, Hashable {
  public let milestones: [Milestone]
  /// The number of steps of the run.
  public let steps: Int
  /// What holds before the first milestone.
  public let start: QuantizationPhase

  /// Checks a list of milestones, in the order of their steps.
  /// - Throws: `MilestoneError` for a step that is never reached, a wrong order, a contradiction, a
  ///   change that changes nothing, scales frozen before an observer ran, or a value out of range.
  public init(
    _ milestones: [Milestone], steps: Int, from start: QuantizationPhase = .float
  ) throws(MilestoneError) {
    guard steps >= 1 else { throw .steps(steps) }
    var phase = start
    var hasObserved = start.observes
    var last = 0
    for (place, milestone) in milestones.enumerated() {
      let step = milestone.step
      guard let first = milestone.changes.first else { throw .empty(step: step) }
      guard step >= 0 else { throw .negative(first, step: step) }
      guard step >= last else { throw .order(first, step: step, after: last) }
      guard step < steps else { throw .unreachable(first, step: step, steps: steps) }
      if step > last { hasObserved = hasObserved || phase.observes }
      let siblings = milestones[..<place].filter { $0.step == step }.flatMap(\.changes)
      for (index, change) in milestone.changes.enumerated() {
        let earlier = siblings + milestone.changes[..<index]
        if let other = earlier.first(where: change.concerns), other != change {
          throw .contradiction(other, change, step: step)
        }
        try Self.check(change, step, hasObserved: hasObserved)
        let before = phase
        change.apply(to: &phase)
        if phase == before { throw .noChange(change, step: step) }
      }
      last = step
    }
    self.milestones = milestones
    self.steps = steps
    self.start = start
  }

  private static func check(
    _ change: Milestone.Change, _ step: Int, hasObserved: Bool
  ) throws(MilestoneError) {
    switch change {
    case .bits(let bits) where !(2...8).contains(bits): throw .bits(bits, step: step)
    case .distillation(let share) where !(0...1).contains(share):
      throw .distillation(share, step: step)
    case .scalesFrozen(true) where !hasObserved: throw .scalesBeforeObservers(step: step)
    default: break
    }
  }

  /// What holds at a step.
  public func state(at step: Int) -> QuantizationPhase {
    var phase = start
    for milestone in milestones where milestone.step <= step {
      for change in milestone.changes { change.apply(to: &phase) }
    }
    return phase
  }

  /// What the schedule is, for fingerprints: `0 observers on; 100 weights on, activations on`.
  public var summary: String {
    milestones.map { milestone in
      "\(milestone.step) " + milestone.changes.map(\.description).joined(separator: ", ")
    }.joined(separator: "; ")
  }
}

extension MilestoneSchedule {
  /// Everything from the first step to the last.
  public static func immediate(steps: Int) throws(MilestoneError) -> MilestoneSchedule {
    try MilestoneSchedule(
      [Milestone(at: 0, .observers(true), .weights(true), .activations(true))], steps: steps)
  }

  /// The delay of the white paper (Krishnamoorthi, 1806.08342): weights are rounded from the start,
  /// activations only once their ranges have settled; near the end batch normalization and ranges
  /// stay as they are, so that training sees what will be deployed.
  /// - Parameters:
  ///   - delay: the first step with rounded activations.
  ///   - freeze: the first step with frozen statistics and ranges.
  public static func whitePaperDelay(
    delay: Int, freeze: Int, steps: Int
  ) throws(MilestoneError) -> MilestoneSchedule {
    try MilestoneSchedule(
      [
        Milestone(at: 0, .observers(true), .weights(true)),
        Milestone(at: delay, .activations(true)),
        Milestone(at: freeze, .observers(false), .scalesFrozen(true), .batchNormFrozen(true)),
      ], steps: steps)
  }

  /// Core ML Tools' four integers: the steps at which observers start, rounding starts, observers
  /// stop, and batch normalization is frozen. The last two may come in either order.
  public static func fourIntegers(
    _ integers: [Int], steps: Int
  ) throws(MilestoneError) -> MilestoneSchedule {
    guard integers.count == 4 else { throw .fourIntegers(integers) }
    let all: [[Milestone.Change]] = [
      [.observers(true)], [.weights(true), .activations(true)],
      [.observers(false), .scalesFrozen(true)], [.batchNormFrozen(true)],
    ]
    var milestones = zip(integers, all).map { Milestone(at: $0, $1) }
    if milestones[3].step < milestones[2].step { milestones.swapAt(2, 3) }
    return try MilestoneSchedule(milestones, steps: steps)
  }

  /// Everything from the start, with weights that get narrower: `widths` in equal parts of the run.
  public static func annealing(
    widths: [Int], steps: Int
  ) throws(MilestoneError) -> MilestoneSchedule {
    var milestones = [Milestone(at: 0, .observers(true), .weights(true), .activations(true))]
    for (index, width) in widths.enumerated() {
      milestones.append(Milestone(at: index * steps / widths.count, .bits(width)))
    }
    return try MilestoneSchedule(milestones, steps: steps)
  }
}
