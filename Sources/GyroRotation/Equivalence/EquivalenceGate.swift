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
    var wanted: [ParameterPath: Matrix64] = [:]
    for (site, value) in expected {
      wanted[site.path] = undone(value, at: site.path, reference)
    }
    var entries: [EquivalenceReport.Entry] = []
    for (site, value) in got {
      guard let want = wanted[site.path], let have = undone(value, at: site.path, candidate),
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

  private func undone(
    _ value: Tensor, at path: ParameterPath, _ subject: Subject
  ) -> Matrix64? {
    guard let site = LlamaSite(path) else { return nil }
    if case .normalized = site { return nil }  // Gains act on it, and they may differ.
    var result = Matrix64(value.reshaped([-1, value.shape.columns]))
    for rotations in subject.rotations.reversed() {
      guard let next = site.undone(result, rotations, subject.configuration) else { return nil }
      result = next
    }
    return result
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
