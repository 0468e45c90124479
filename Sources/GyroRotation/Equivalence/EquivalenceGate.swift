public import GyroModels
import GyroTensors

/// Runs two models on the same tokens and compares what flows through them, to be asked after every
/// transform that should not change what a model computes.
public struct EquivalenceGate: Sendable {
  /// A model and what is attached to it.
  public struct Subject: Sendable {
    public var configuration: LlamaConfiguration
    public var parameters: ParameterStore
    /// What runs online, e.g. `OnlineTransforms`. Sites are compared as they are before it.
    public var instrumentation: any Instrumentation
    /// What was merged into the parameters, first to last, so that it can be undone at the sites.
    public var rotations: [LlamaRotations]

    public init(
      _ configuration: LlamaConfiguration, _ parameters: ParameterStore,
      instrumentation: any Instrumentation = NoInstrumentation(),
      rotations: [LlamaRotations] = []
    ) {
      self.configuration = configuration
      self.parameters = parameters
      self.instrumentation = instrumentation
      self.rotations = rotations
    }
  }

  /// Tokens to compare on.
  public let tokens: TokenWindow
  /// Logits may differ by this, times the largest magnitude if that exceeds one; other sites by
  /// this times their largest magnitude.
  public let tolerance: Double

  public init(tokens: TokenWindow, tolerance: Double = 1e-4) {
    self.tokens = tokens
    self.tolerance = tolerance
  }

  /// A gate with random tokens: one window of at most 32, the same for a seed and a configuration.
  public init(
    probing configuration: LlamaConfiguration, seed: UInt64 = 0, tolerance: Double = 1e-4
  ) {
    var random = RandomStream(seed: seed).derived("equivalence")
    let length = min(32, configuration.context)
    self.init(
      tokens: TokenWindow(
        (0..<length).map { _ in Int32(random.integer(below: configuration.vocabulary)) },
        batch: 1, length: length), tolerance: tolerance)
  }

  /// Compares; the two may differ in width nowhere, in tied embeddings and gains they may.
  public func report(
    _ reference: Subject, _ candidate: Subject, after transform: String
  ) -> EquivalenceReport {
    let expected = run(reference), got = run(candidate)
    let (restored, turned) = (Restoration(reference), Restoration(candidate))
    var wanted: [ParameterPath: Matrix64] = [:]
    for (site, value) in expected {
      wanted[site.path] = restored(value, at: site.path)
    }
    var entries: [EquivalenceReport.Entry] = []
    for (site, value) in got {
      guard let want = wanted[site.path], let have = turned(value, at: site.path),
        want.rows == have.rows, want.columns == have.columns
      else { continue }
      let magnitude = want.largestMagnitude
      let scale = site.kind == .logits ? max(1, magnitude) : magnitude
      entries.append(
        EquivalenceReport.Entry(
          site: site.path, difference: Self.difference(want, have), magnitude: magnitude,
          allowed: tolerance * scale))
    }
    return EquivalenceReport(
      transform: transform, entries: entries,
      firstNotFinite: got.first { !$0.value.allFinite }?.site.path)
  }

  /// Compares, and throws where the two depart.
  /// - Throws: `RotationError.departed`, `.diverged`: each names the first site.
  @discardableResult
  public func check(
    _ reference: Subject, _ candidate: Subject, after transform: String
  ) throws(RotationError) -> EquivalenceReport {
    let report = report(reference, candidate, after: transform)
    if let site = report.firstNotFinite { throw .diverged(site: site, transform: transform) }
    if let entry = report.firstDeparting {
      throw .departed(
        site: entry.site, difference: entry.difference, allowed: entry.allowed,
        logits: report.logits, transform: transform)
    }
    return report
  }

  private func run(_ subject: Subject) -> [(site: Site, value: Tensor)] {
    let capture = SiteCapture(subject.instrumentation)
    let model = Llama(subject.configuration, .unfilled())
    _ = model(tokens, ForwardPass(subject.parameters, instrumentation: capture))
    return capture.values
  }

  /// Takes out of activations what was merged into a model.
  private struct Restoration {
    private let sites: Set<ParameterPath>
    private let placed: [PlacedRotations]

    init(_ subject: Subject) {
      let frames = LlamaFrames(subject.configuration)
      // Gains act on normalized vectors, and they may differ.
      sites = Set(frames.sites.keys).subtracting(frames.normalizedSites)
      placed = subject.rotations.map {
        var merged = $0
        merged.feedForward = nil  // Sites are seen before it runs.
        return PlacedRotations(merged, subject.configuration)
      }
    }

    func callAsFunction(_ value: Tensor, at site: ParameterPath) -> Matrix64? {
      guard sites.contains(site) else { return nil }
      let rows = Matrix64(value.reshaped([-1, value.shape.columns]))
      return placed.reversed().reduce(rows) { $1.undone($0, at: site) }
    }
  }

  /// The largest difference; NaN counts as the largest of all.
  private static func difference(_ a: Matrix64, _ b: Matrix64) -> Double {
    var largest = 0.0
    for index in a.elements.indices {
      let difference = abs(a.elements[index] - b.elements[index])
      if !(difference <= largest) { largest = difference.isNaN ? .infinity : difference }
    }
    return largest
  }
}
