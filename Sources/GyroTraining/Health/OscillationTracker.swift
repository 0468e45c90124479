import CGyroKernels
import GyroTensors

/// How often each weight swings between two codes: the running mean of "its code changed, against
/// the direction of its last change" (Nagel et al., 2203.11086 §3.3).
struct OscillationTracker {
  var level, direction, frequency, mean: Tensor
  /// The number of levels there are; with another format all begins anew.
  let grid: Int

  struct Counts: Equatable {
    var flips = 0, reversals = 0, oscillating = 0
  }

  /// Starts where the codes are.
  init(_ codes: WeightCodes) {
    level = Tensor([codes.levels.count], elements: codes.levels.map { Float($0) })
    direction = .zeros(level.shape)
    frequency = .zeros(level.shape)
    mean = level
    grid = codes.values.count
  }

  /// Takes the codes of another step in.
  /// - Parameters:
  ///   - held: 1 + the level of each element that is held there, 0 elsewhere.
  ///   - limit: the frequency above which a weight counts as oscillating.
  mutating func observe(
    _ codes: WeightCodes, momentum: Float, limit: Float, held: Tensor? = nil
  ) -> Counts {
    var counts = gyro_oscillation_counts()
    func run(_ held: UnsafePointer<Float>?) {
      level.withMutableElements { level in
        direction.withMutableElements { direction in
          frequency.withMutableElements { frequency in
            mean.withMutableElements {
              gyro_oscillation_observe(
                codes.levels, held, Int64(codes.levels.count), momentum, limit, level, direction,
                frequency, $0, &counts)
            }
          }
        }
      }
    }
    if let held { held.withElements { run($0) } } else { run(nil) }
    return Counts(
      flips: Int(counts.flips), reversals: Int(counts.reversals),
      oscillating: Int(counts.oscillating))
  }

  // MARK: Carried in a training state

  /// Takes a tracker that a state carries under a name; nil when there is none for these codes. The
  /// state gives its tensors away, so that they are changed in place.
  init?(taking name: String, from extra: inout [String: Tensor], for codes: WeightCodes) {
    guard let grid = extra["\(name)/grid"], Int(grid.item) == codes.values.count,
      let level = extra.removeValue(forKey: "\(name)/level"), level.count == codes.levels.count,
      let direction = extra.removeValue(forKey: "\(name)/direction"),
      let frequency = extra.removeValue(forKey: "\(name)/frequency"),
      let mean = extra.removeValue(forKey: "\(name)/mean")
    else { return nil }
    self.level = level
    self.direction = direction
    self.frequency = frequency
    self.mean = mean
    self.grid = Int(grid.item)
  }

  /// Gives the tracker to a state.
  func store(_ name: String, in extra: inout [String: Tensor]) {
    extra["\(name)/grid"] = Tensor([1], elements: [Float(grid)])
    extra["\(name)/level"] = level
    extra["\(name)/direction"] = direction
    extra["\(name)/frequency"] = frequency
    extra["\(name)/mean"] = mean
  }
}

extension WeightCodes {
  /// Calls `body` with the grid as kernels know it.
  func withGrid<Result>(_ body: (UnsafePointer<gyro_levels>) -> Result) -> Result {
    values.withUnsafeBufferPointer { values in
      scales.withUnsafeBufferPointer { scales in
        offsets.withUnsafeBufferPointer { offsets in
          var grid = gyro_levels(
            values: values.baseAddress, scales: scales.baseAddress,
            offsets: offsets.isEmpty ? nil : offsets.baseAddress,
            value_count: Int64(values.count), length: Int64(groupLength))
          return body(&grid)
        }
      }
    }
  }
}
