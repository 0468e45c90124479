import CGyroKernels
public import GyroModels
public import GyroOptimization
import GyroTensors

/// Keeps weights from swinging between two codes (Nagel et al., 2203.11086 §4), in two ways that can
/// be combined:
///
/// - dampening adds `λ · 2 (w − ŵ)` to the gradient of weights inside their grid, the gradient of
///   `λ ‖w − ŵ‖²`: it grows towards the thresholds between codes and pulls weights away from them;
/// - freezing holds a weight whose oscillation frequency exceeds a threshold at its running mean
///   level, rounded, for the rest of the run; its scale may still move.
///
/// Both follow schedules, so that early steps stay free: the paper lets λ rise from 0 to 0.1 and the
/// threshold fall from 0.1 to 0.01, both along a cosine. What it knows of each weight is carried in
/// `TrainingState.extra`, so a resumed run goes on bit for bit.
public final class OscillationControl: TrainingCallback {
  private let weights: any QuantizedWeights
  private let dampening: Schedule?
  private let freezing: Schedule?
  private let momentum: Float
  /// The number of weights held so far.
  public private(set) var heldCount = 0

  /// - Parameters:
  ///   - dampening: λ at each step; nil for none.
  ///   - freezing: the threshold at each step; nil for none.
  ///   - momentum: the share of a new step in frequencies and mean levels.
  public init(
    _ weights: any QuantizedWeights, dampening: Schedule? = nil, freezing: Schedule? = nil,
    momentum: Double = 0.01
  ) {
    precondition(
      momentum > 0 && momentum <= 1, "OscillationControl: the momentum is \(momentum), not in 0…1")
    self.weights = weights
    self.dampening = dampening
    self.freezing = freezing
    self.momentum = Float(momentum)
  }

  public func handle(
    _ event: TrainingEvent, _ state: inout TrainingState
  ) -> TrainingEvent? { nil }

  public func willUpdate(
    _ gradients: inout Gradients, batches: Int, _ state: inout TrainingState
  ) throws {
    for path in weights.quantizedWeights {
      guard
        let codes = try weights.codes(of: path, in: state.parameters, step: state.step)
      else { continue }
      if freezing != nil { begin(path, codes, &state) }
      guard let dampening, gradients[path] != nil else { continue }
      let factor = 2 * Float(dampening(state.step)) * Float(batches)
      guard factor != 0 else { continue }
      let weight = state.parameters[path]
      gradients.update(path) { gradient in
        gradient.withMutableElements { gradient in
          weight.withElements { weight in
            codes.withGrid {
              gyro_dampen($0, weight, codes.levels, Int64(codes.levels.count), factor, gradient)
            }
          }
        }
      }
    }
  }

  public func didUpdate(_ state: inout TrainingState) throws {
    guard let freezing else { return }
    var total = 0
    for path in weights.quantizedWeights {
      guard
        let codes = try weights.codes(of: path, in: state.parameters, step: state.step)
      else { continue }
      let name = Self.name(path)
      guard
        var tracker = OscillationTracker(taking: name, from: &state.extra, for: codes),
        var held = state.extra.removeValue(forKey: "\(name)/held")
      else { continue }
      let count = Int64(codes.levels.count)
      _ = tracker.observe(codes, momentum: momentum, limit: 0, held: held)
      total += held.withMutableElements { held in
        tracker.frequency.withElements { frequency in
          tracker.mean.withElements {
            Int(gyro_hold_oscillating(frequency, $0, count, Float(freezing(state.step)), held))
          }
        }
      }
      state.parameters.update(path) { weight in
        weight.withMutableElements { weight in
          held.withElements { held in
            codes.withGrid { gyro_write_held($0, held, count, weight) }
          }
        }
      }
      tracker.store(name, in: &state.extra)
      state.extra["\(name)/held"] = held
    }
    heldCount = total
  }

  /// Starts to watch a weight; one whose format changed is watched from scratch, and let go.
  private func begin(_ path: ParameterPath, _ codes: WeightCodes, _ state: inout TrainingState) {
    let name = Self.name(path)
    if let grid = state.extra["\(name)/grid"], Int(grid.item) == codes.values.count { return }
    OscillationTracker(codes).store(name, in: &state.extra)
    state.extra["\(name)/held"] = .zeros([codes.levels.count])
  }

  private static func name(_ path: ParameterPath) -> String { "oscillation/\(path)" }
}
