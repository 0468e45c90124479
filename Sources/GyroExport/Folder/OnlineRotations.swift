import GyroManifolds
import GyroModels
import GyroQuantization
import GyroTensors

/// What becomes of online Hadamard transforms where nobody runs them.
enum OnlineRotations {
  /// R3 cancels between queries and keys; half of R4 is in the weights.
  static func fidelity(_ site: Site) -> Fidelity {
    switch site.kind {
    case .queries, .keys:
      .leftToRuntime("R3 is dropped: it cancels between queries and keys that nobody quantizes")
    default:
      .impossible(
        "R4 runs online and its other half is in down_proj; \(advice)")
    }
  }

  static let advice = "train with rotations [r1, r2], which merge completely"

  /// The model as one without R4, for those who run nothing online: where `down_proj` and its input
  /// are float, its weight takes the transform back, in Float32.
  ///
  /// - Returns: the weights that changed, and the scheme without R4; nil when there is no R4.
  /// - Throws: `ExportError.impossible` where codes are in the way.
  static func unrotated(
    _ model: ShippedModel, format: String
  ) throws -> (weights: [ParameterPath: Tensor], plan: QuantizationPlan?)? {
    guard let plan = model.plan else { return nil }
    let parameters = model.parameters
    var weights: [ParameterPath: Tensor] = [:]
    for site in parameters.sites where site.kind != .queries && site.kind != .keys {
      guard let transform = plan.online.transforms[site.path] else { continue }
      let weight = ParameterPath(site.path.name.dropLast("input".count) + "weight")
      let isFloat =
        plan.quantizer(at: weight) == nil && plan.quantizer(at: site.path) == nil
        && parameters.contains(weight) && parameters[weight].encoded == nil
      guard isFloat else {
        throw ExportError.impossible(
          format: format, path: site.path.name, what: "the online rotation R4",
          because: "half of it is in the codes of \(weight)",
          instead: OnlineRotations.advice.prefix(1).uppercased()
            + OnlineRotations.advice.dropFirst() + ".")
      }
      weights[weight] = transform.applied(to: parameters[weight].copied(), transposed: true)
    }
    guard !weights.isEmpty else { return nil }
    var scheme = plan.scheme
    scheme.rotations?.placements.remove(.feedForward)
    if scheme.rotations?.placements.isEmpty ?? true { scheme.rotations = nil }
    let hasRules =
      scheme.weights != nil || scheme.activations != nil || scheme.embeddings != nil
      || scheme.keys != nil || scheme.values != nil || scheme.rotations != nil
      || !scheme.exceptions.isEmpty
    return (weights, hasRules ? try QuantizationPlan(scheme, for: parameters) : nil)
  }
}
