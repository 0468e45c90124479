public import GyroAutodiff
public import GyroManifolds
public import GyroModels

/// The Hadamard transforms that a rotated model runs online: R3 on queries and keys, R4 in front of
/// `down_proj`. The weights have the other half merged, so the model is the float model's equal only
/// with this instrumentation (or a `QuantizationPlan` of the same scheme) attached.
public struct OnlineTransforms: Instrumentation {
  /// By path of site; along the last axis, head by head where the site has heads.
  public let transforms: [ParameterPath: HadamardTransform]

  /// No transform.
  public init() { transforms = [:] }

  /// The transforms a rule asks for.
  /// - Throws: `QuantizationError.rotation` when the model has no such place, or a block size does
  ///   not divide the width.
  public init(
    _ rule: RotationRule?, for parameters: ParameterStore
  ) throws(QuantizationError) {
    var transforms: [ParameterPath: HadamardTransform] = [:]
    guard let rule, rule.isOnline else {
      self.transforms = transforms
      return
    }
    if rule.placements.contains(.keys) {
      for site in parameters.sites where site.kind == .queries || site.kind == .keys {
        guard let size = site.headSize else { continue }
        transforms[site.path] = HadamardTransform(size: size, signSeed: rule.signSeed)
      }
      guard !transforms.isEmpty else {
        throw .rotation("r3", problem: "the model has no attention with queries and keys")
      }
    }
    if rule.placements.contains(.feedForward) {
      let sites = parameters.sites.filter { Self.weight(readBy: $0, in: parameters) != nil }
      guard !sites.isEmpty else {
        throw .rotation("r4", problem: "the model has no down_proj to put a transform before")
      }
      for site in sites {
        let width = Self.weight(readBy: site, in: parameters)!.shape[1]
        transforms[site.path] = try Self.feedForward(rule, width: width)
      }
    }
    self.transforms = transforms
  }

  private static func feedForward(
    _ rule: RotationRule, width: Int
  ) throws(QuantizationError) -> HadamardTransform {
    guard let block = rule.blockSize else {
      return HadamardTransform(size: width, signSeed: rule.signSeed)
    }
    guard block > 0, width.isMultiple(of: block),
      let transform = try? HadamardTransform(
        size: width, blocks: width / block, signSeed: rule.signSeed)
    else {
      throw .rotation("r4", problem: "blocks of \(block) do not divide its width of \(width)")
    }
    return transform
  }

  /// The `down_proj` weight that a site is the input of.
  private static func weight(readBy site: Site, in parameters: ParameterStore) -> Parameter? {
    guard site.path.name.hasSuffix("down_proj.input") else { return nil }
    return parameters.parameter(
      at: ParameterPath(site.path.name.dropLast("input".count) + "weight"))
  }

  public func weight(_ value: Variable, of: Parameter, _ pass: ForwardPass) -> Variable { value }

  public func activation(_ value: Variable, at site: Site, _ pass: ForwardPass) -> Variable {
    guard let transform = transforms[site.path] else { return value }
    guard transform.size != value.shape.columns else { return value.hadamard(transform) }
    return value.reshaped([-1, transform.size]).hadamard(transform)
      .reshaped(value.shape.dimensions)
  }
}
