/// A list of milestones that makes no sense; found before the first step.
public enum MilestoneError: Error, Sendable, Equatable, CustomStringConvertible {
  case steps(Int)
  case empty(step: Int)
  case negative(Milestone.Change, step: Int)
  case unreachable(Milestone.Change, step: Int, steps: Int)
  case order(Milestone.Change, step: Int, after: Int)
  case contradiction(Milestone.Change, Milestone.Change, step: Int)
  case noChange(Milestone.Change, step: Int)
  case scalesBeforeObservers(step: Int)
  case bits(Int, step: Int)
  case distillation(Double, step: Int)
  case fourIntegers([Int])

  public var description: String {
    switch self {
    case .steps(let steps):
      "a milestone schedule needs a run of at least 1 step, not \(steps)"
    case .empty(let step):
      "the milestone at step \(step) lists no change; give it one, or leave it out"
    case .negative(let change, let step):
      "milestone '\(change)' lies at step \(step); steps are counted from 0"
    case .unreachable(let change, let step, let steps):
      "milestone '\(change)' at step \(step) is never reached: the run has \(steps) steps "
        + "(0…\(steps - 1)); move it to an earlier step, or train longer"
    case .order(let change, let step, let after):
      "milestone '\(change)' at step \(step) comes after one at step \(after); "
        + "list milestones in the order of their steps"
    case .contradiction(let first, let second, let step):
      "step \(step) asks for both '\(first)' and '\(second)'; keep one of them"
    case .noChange(let change, let step):
      "milestone '\(change)' at step \(step) changes nothing: that is already so; leave it out"
    case .scalesBeforeObservers(let step):
      "step \(step) freezes the scales before any observer ran; "
        + "turn observers on at an earlier step"
    case .bits(let bits, let step):
      "step \(step) asks for \(bits) bits; there are 2 to 8"
    case .distillation(let share, let step):
      "step \(step) asks for a distillation share of \(share); it lies between 0 and 1"
    case .fourIntegers(let integers):
      "expected four steps (observers on, rounding on, observers off, batch norm frozen), "
        + "not \(integers)"
    }
  }
}
