import Glibc

/// The learning rate of each step: a pure function of the step, so a resumed run needs no state.
///
/// ```
/// step < warmup:   peak · (step + 1) / warmup
/// afterwards:      progress = (step − warmup) / (steps − warmup), at most 1
///   constant       peak
///   linear         peak + (final − peak) · progress
///   cosine         final + (peak − final) · (1 + cos(π · progress)) / 2
/// ```
public struct Schedule: Sendable, Hashable, CustomStringConvertible {
  /// The course after the warm-up.
  public enum Course: String, Sendable, CaseIterable {
    case constant
    case linear
    case cosine
  }

  public let course: Course
  /// The highest rate.
  public let peak: Double
  /// The rate that a linear or cosine course ends at.
  public let final: Double
  /// The number of steps that climb to the peak.
  public let warmup: Int
  /// The number of steps of the whole course.
  public let steps: Int

  /// - Throws: `ScheduleError` when a rate is negative or not finite, or the warm-up does not fit.
  public init(
    _ course: Course = .constant, peak: Double, final: Double = 0, warmup: Int = 0, steps: Int
  ) throws(ScheduleError) {
    guard peak.isFinite, peak >= 0 else { throw .rate("the learning rate", peak) }
    guard final.isFinite, final >= 0 else { throw .rate("the final rate", final) }
    guard steps > 0 else { throw .steps(steps) }
    guard warmup >= 0, warmup <= steps else { throw .warmup(warmup, steps: steps) }
    self.course = course
    self.peak = peak
    self.final = final
    self.warmup = warmup
    self.steps = steps
  }

  /// The rate of a step, counted from 0.
  public func callAsFunction(_ step: Int) -> Double {
    if step < warmup { return peak * Double(step + 1) / Double(warmup) }
    let progress = min(1, Double(step - warmup) / Double(max(1, steps - warmup)))
    return switch course {
    case .constant: peak
    case .linear: peak + (final - peak) * progress
    case .cosine: final + (peak - final) * (1 + cos(.pi * progress)) / 2
    }
  }

  public var description: String {
    switch course {
    case .constant: "constant \(peak), warm-up \(warmup)"
    case .linear, .cosine:
      "\(course.rawValue) \(peak) to \(final) over \(steps) steps, warm-up \(warmup)"
    }
  }
}

/// A schedule that makes no sense.
public enum ScheduleError: Error, Sendable, Equatable, CustomStringConvertible {
  case rate(String, Double)
  case steps(Int)
  case warmup(Int, steps: Int)

  public var description: String {
    switch self {
    case .rate(let what, let value):
      "\(what) is \(value); it must be a number of at least 0, e.g. 1e-4"
    case .steps(let steps): "the number of steps is \(steps); it must be at least 1"
    case .warmup(let warmup, let steps):
      "the warm-up of \(warmup) steps does not fit into \(steps) steps; "
        + "it must lie between 0 and \(steps)"
    }
  }
}
