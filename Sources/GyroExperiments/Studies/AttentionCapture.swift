import GyroAutodiff
import GyroModels
import GyroTensors
import Synchronization

/// Keeps the queries, keys and values of a pass, after the rotary embedding: a passive
/// instrumentation.
final class AttentionCapture: Instrumentation {
  /// What one layer attends with, `[tokens, heads · headSize]` each.
  struct Layer {
    let queries: Tensor
    let keys: Tensor
    let values: Tensor
  }

  private let kept = Mutex<[Site.Kind: [Tensor]]>([:])

  func weight(_ value: Variable, of: Parameter, _ pass: ForwardPass) -> Variable { value }

  func activation(_ value: Variable, at site: Site, _ pass: ForwardPass) -> Variable {
    guard [.queries, .keys, .values].contains(site.kind) else { return value }
    let rows = value.value.contiguous()
    let flat = rows.reshaped([rows.count / rows.shape.columns, rows.shape.columns])
    kept.withLock { $0[site.kind, default: []].append(flat) }
    return value
  }

  /// The layers in order, after a pass over one text.
  var layers: [Layer] {
    kept.withLock { kept in
      (kept[.queries] ?? []).indices.map {
        Layer(queries: kept[.queries]![$0], keys: kept[.keys]![$0], values: kept[.values]![$0])
      }
    }
  }
}
