import GyroAutodiff
import GyroModels
import GyroTensors
import Synchronization

/// Keeps what flows into the layers of a model: a passive instrumentation.
final class ActivationCapture: Instrumentation {
  private let kept = Mutex<(order: [ParameterPath], values: [ParameterPath: [Tensor]])>(([], [:]))

  func weight(_ value: Variable, of: Parameter, _ pass: ForwardPass) -> Variable { value }

  func activation(_ value: Variable, at site: Site, _ pass: ForwardPass) -> Variable {
    guard site.kind == .input else { return value }
    kept.withLock { kept in
      if kept.values[site.path] == nil { kept.order.append(site.path) }
      kept.values[site.path, default: []].append(value.value.contiguous())
    }
    return value
  }

  /// What passed each site, one after the other, in the order of first passage.
  var activations: [(site: ParameterPath, values: Tensor)] {
    kept.withLock { kept in
      kept.order.map { site in
        let parts = kept.values[site]!
        let count = parts.reduce(0) { $0 + $1.count }
        let values = Tensor.filled([count]) { target in
          var place = 0
          for part in parts {
            part.withElements { (target + place).update(from: $0, count: part.count) }
            place += part.count
          }
        }
        return (site, values)
      }
    }
  }
}
