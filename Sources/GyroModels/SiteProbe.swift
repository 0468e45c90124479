public import GyroAutodiff

/// Records what reaches chosen sites, as another instrumentation leaves it, in a pass's statistics by
/// path. It computes what that instrumentation computes; nothing is copied.
public struct SiteProbe: Instrumentation {
  private let inner: any Instrumentation
  private let isWatched: @Sendable (Site) -> Bool

  /// - Parameter inner: what runs beside, e.g. online transforms; the float model otherwise.
  public init(
    _ inner: any Instrumentation = NoInstrumentation(),
    where isWatched: @escaping @Sendable (Site) -> Bool
  ) {
    self.inner = inner
    self.isWatched = isWatched
  }

  public init(
    _ inner: any Instrumentation = NoInstrumentation(), at sites: Set<ParameterPath>
  ) {
    self.init(inner) { sites.contains($0.path) }
  }

  public func weight(
    _ value: Variable, of parameter: Parameter, _ pass: ForwardPass
  ) -> Variable {
    inner.weight(value, of: parameter, pass)
  }

  public func activation(_ value: Variable, at site: Site, _ pass: ForwardPass) -> Variable {
    let value = inner.activation(value, at: site, pass)
    if isWatched(site) { pass.record(value.value, at: site.path) }
    return value
  }

  public func wants(_ site: Site) -> Bool { isWatched(site) || inner.wants(site) }

  public func batchNorm(_ layer: ParameterPath, _ pass: ForwardPass) -> BatchNormTreatment {
    inner.batchNorm(layer, pass)
  }
}
