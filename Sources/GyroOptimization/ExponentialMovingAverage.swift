import CGyroKernels
public import GyroModels
import GyroTensors

/// A smoothed copy of a store: `average ← decay · average + (1 − decay) · parameters` after each
/// step. Buffers are copied, not averaged.
///
/// Early on the decay is `(1 + t) / (10 + t)` if that is smaller, so that a short run is not
/// dominated by where it started.
public struct ExponentialMovingAverage: Sendable {
  public let decay: Double
  /// The number of updates so far.
  public internal(set) var updates: Int
  /// The smoothed parameters, ready to be evaluated.
  public internal(set) var average: ParameterStore

  /// Starts at `store`; the copy costs nothing until the first update.
  public init(of store: ParameterStore, decay: Double = 0.999) {
    precondition((0..<1).contains(decay), "ExponentialMovingAverage: the decay must lie in [0, 1)")
    self.decay = decay
    updates = 0
    average = store
  }

  /// Moves the average toward `store`, which must hold the same paths.
  public mutating func update(toward store: ParameterStore) {
    updates += 1
    let weight = 1 - min(decay, (1 + Double(updates)) / (10 + Double(updates)))
    for path in store.paths {
      let source = store[path]
      guard store.parameter(at: path)?.kind != .buffer else {
        average[path] = source
        continue
      }
      average.update(path) { target in
        target.withMutableElements { target in
          source.withElements { gyro_lerp(target, $0, Int64(source.count), weight) }
        }
      }
    }
  }

  /// Puts back a stored average.
  public mutating func restore(_ average: ParameterStore, updates: Int) {
    self.average = average
    self.updates = updates
  }
}
