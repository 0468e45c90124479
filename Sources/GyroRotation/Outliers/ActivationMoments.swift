import GyroAutodiff
import GyroModels
import GyroTensors
import Synchronization

/// Collects the moments of what passes the sites that schemes quantize: a passive instrumentation.
final class ActivationMoments: Instrumentation {
  private let kept = Mutex<(order: [Site], moments: [Site: ChannelMoments])>(
    ([], [:]))
  private let covariance: @Sendable (Site) -> Int?

  /// - Parameter covariance: the width of the rows whose covariance a site is to keep, or nil.
  init(covariance: @escaping @Sendable (Site) -> Int? = { _ in nil }) {
    self.covariance = covariance
  }

  func weight(_ value: Variable, of: Parameter, _ pass: ForwardPass) -> Variable { value }

  func activation(_ value: Variable, at site: Site, _ pass: ForwardPass) -> Variable {
    guard [.input, .keys, .values].contains(site.kind) else { return value }
    let seen = value.value
    kept.withLock { kept in
      if kept.moments[site] == nil {
        kept.order.append(site)
        kept.moments[site] = ChannelMoments(
          channels: seen.shape.columns, covariance: covariance(site))
      }
      kept.moments[site]!.add(seen)
    }
    return value
  }

  /// In the order of first passage.
  var moments: [(site: Site, moments: ChannelMoments)] {
    kept.withLock { kept in kept.order.map { ($0, kept.moments[$0]!) } }
  }

  /// Runs a model over windows, each on its own.
  static func collected(
    _ configuration: LlamaConfiguration, _ parameters: ParameterStore, over windows: [[Int32]],
    covariance: @escaping @Sendable (Site) -> Int? = { _ in nil }
  ) -> ActivationMoments {
    let collector = ActivationMoments(covariance: covariance)
    let model = Llama(configuration, .unfilled())
    for window in windows {
      let pass = ForwardPass(parameters, mode: .calibration, instrumentation: collector)
      _ = model(TokenWindow(window, batch: 1, length: window.count), pass)
    }
    return collector
  }
}
