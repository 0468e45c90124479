import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors

/// Keys and values as `kv_cache_scheme` describes them: one rule for both and for all layers, with a
/// scale for each layer's keys and one for its values where ranges are static.
struct CompressedCache {
  /// nil when keys and values stay float.
  let arguments: CompressedArguments?
  /// Why they do, although the scheme quantizes some.
  let refusal: String?
  private let sites: [Site]

  init(_ plan: QuantizationPlan?, _ parameters: ParameterStore) {
    sites = parameters.sites.filter { $0.kind == .keys || $0.kind == .values }
    let rules = Dictionary(
      (plan?.decisions ?? []).map { ($0.path, $0.rule) }, uniquingKeysWith: { first, _ in first })
    let described = sites.map { site in
      (rules[site.path] ?? nil).flatMap { CompressedActivations($0, at: site).arguments }
    }
    let isQuantized = sites.contains { (rules[$0.path] ?? nil) != nil }
    guard isQuantized else {
      (arguments, refusal) = (nil, nil)
      return
    }
    guard let first = described.first ?? nil, described.allSatisfy({ $0 == first }) else {
      arguments = nil
      refusal =
        described.contains { $0 != nil }
        ? "keys and values stay float: the layout has one rule for keys and values of all layers"
        : "keys and values stay float: the layout has no words for their rule"
      return
    }
    (arguments, refusal) = (first, nil)
  }

  /// The prefix of a site's tensors, e.g. `model.layers.0.self_attn.k`.
  static func prefix(_ site: Site) -> String {
    let scope = site.path.name.split(separator: ".").dropLast().joined(separator: ".")
    return scope + (site.kind == .keys ? ".k" : ".v")
  }

  /// Adds static scales.
  func add(_ model: ShippedModel, to writer: inout SafetensorsWriter) throws {
    guard let arguments, arguments.range == .fixed else { return }
    for site in sites {
      guard let scales = model.plan?.staticScales(at: site.path, in: model.parameters) else {
        throw QuantizationError.uncalibrated(site.path)
      }
      StaticRange(scales, arguments).add(Self.prefix(site), to: &writer)
    }
  }
}
