import GyroAutodiff
import GyroModels
import GyroQuantization
import GyroTensors
import Synchronization

/// Wraps a plan, and adds what reaches the watched sites to their Hessians while passes run: nothing
/// is kept but sums. What the plan does to a site, online transforms and quantization, is in them.
final class InputCapture: Instrumentation {
  private let plan: QuantizationPlan
  private let activations: CalibrationOptions.Activations
  /// Weights that have not had their turn: they stay as they are.
  private let pending: Set<ParameterPath>
  private let moments: Mutex<[ParameterPath: InputMoments]>
  private let targets = Mutex<[ParameterPath: Tensor]>([:])
  private let failure = Mutex<PostTrainingError?>(nil)

  init(
    _ plan: QuantizationPlan, _ options: CalibrationOptions, pending: Set<ParameterPath> = [],
    watching moments: [ParameterPath: InputMoments] = [:]
  ) {
    self.plan = plan
    activations = options.activations
    self.pending = pending
    self.moments = Mutex(moments)
  }

  func weight(_ value: Variable, of parameter: Parameter, _ pass: ForwardPass) -> Variable {
    pending.contains(parameter.path) ? value : plan.weight(value, of: parameter, pass)
  }

  func activation(_ value: Variable, at site: Site, _ pass: ForwardPass) -> Variable {
    let seen =
      switch activations {
      case .float: plan.online.activation(value, at: site, pass)
      case .quantized: plan.activation(value, at: site, pass)
      }
    do throws(PostTrainingError) {
      // Out and in again, so that the sums stay their only owner's.
      guard var moment = moments.withLock({ $0.removeValue(forKey: site.path) }) else {
        return seen
      }
      defer { moments.withLock { [moment] in $0[site.path] = moment } }
      let target = targets.withLock { $0[site.path] }
      try moment.accumulate(seen.value, target: target, at: site.path)
    } catch {
      failure.withLock { if $0 == nil { $0 = error } }
    }
    return seen
  }

  func wants(_ site: Site) -> Bool { activations == .quantized && plan.wants(site) }

  func batchNorm(_ layer: ParameterPath, _ pass: ForwardPass) -> BatchNormTreatment {
    plan.batchNorm(layer, pass)
  }

  /// The inputs of the float model in the next pass.
  func aim(at targets: Statistics) { self.targets.withLock { $0 = targets } }

  /// Throws what went wrong in a pass.
  func check(_ pass: ForwardPass) throws(PostTrainingError) {
    if let error = failure.withLock({ $0 }) { throw error }
    if let fault = pass.fault { throw PostTrainingError(fault) }
  }

  /// The sums of a site.
  func moments(at site: ParameterPath) throws(PostTrainingError) -> InputMoments {
    guard let found = moments.withLock({ $0[site] }), found.count > 0 else {
      throw .unreached(site)
    }
    return found
  }
}
