import GyroAutodiff
import GyroModels
import GyroTensors
import Synchronization

/// Keeps what passes each site, in the order of passage, as it is before another instrumentation
/// changes it. It computes what that instrumentation computes.
final class SiteCapture: Instrumentation {
  private let inner: any Instrumentation
  private let kept = Mutex<[(site: Site, value: Tensor)]>([])

  init(_ inner: any Instrumentation = NoInstrumentation()) { self.inner = inner }

  func weight(_ value: Variable, of parameter: Parameter, _ pass: ForwardPass) -> Variable {
    inner.weight(value, of: parameter, pass)
  }

  func activation(_ value: Variable, at site: Site, _ pass: ForwardPass) -> Variable {
    let seen = value.value.contiguous()
    kept.withLock { $0.append((site, seen)) }
    return inner.activation(value, at: site, pass)
  }

  func wants(_ site: Site) -> Bool { inner.wants(site) }

  func batchNorm(_ layer: ParameterPath, _ pass: ForwardPass) -> BatchNormTreatment {
    inner.batchNorm(layer, pass)
  }

  var values: [(site: Site, value: Tensor)] { kept.withLock { $0 } }
}
