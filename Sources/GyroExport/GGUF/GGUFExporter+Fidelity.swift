import GyroModels
import GyroQuantization

extension GGUFExporter {
  public func fidelity(of demand: ExportDemand, _ options: ExportOptions) -> Fidelity {
    switch demand {
    case .weight(let parameter, let rule):
      guard let rule else { return .numbers(as: options.floatType) }
      guard let format = FormatNames.format(rule.element) else {
        return .impossible("there is no number format '\(rule.element)'")
      }
      let traits = GGUFWeightTraits(
        parameter.path, parameter.shape, format: format, granularity: rule.granularity,
        scaleFormat: rule.scale, isSymmetric: rule.isSymmetric)
      let forced = GGUFType.storages.first { $0.name == options.storage?.lowercased() }
      return Self.weight(traits, forced: forced?.type)
    case .activation(let site, _):
      return .leftToRuntime(
        site.kind == .keys || site.kind == .values
          ? "llama.cpp caches keys and values in the types it is started with (--cache-type-k, "
            + "--cache-type-v)"
          : "llama.cpp quantizes activations itself next to quantized weights, to 8 bits in groups "
            + "of 32 (of 256 next to Q4_K, Q6_K, TQ1_0 and TQ2_0)")
    case .transform(let site, _):
      guard site.kind == .queries || site.kind == .keys else {
        return .impossible(
          "llama.cpp runs no Hadamard transform in front of a product, and half of this one is in "
            + "the weight")
      }
      return .leftToRuntime(
        "R3 is left out: it cancels between queries and keys unless the runtime quantizes them")
    }
  }

  private static func weight(_ traits: GGUFWeightTraits, forced: GGUFType?) -> Fidelity {
    if let forced, forced.scalarType == nil, !traits.holdsCodes(forced) {
      return .impossible("\(forced.name) does not hold \(traits.format.name) codes")
    }
    if let type = forced?.scalarType { return .numbers(as: type) }
    switch forced {
    case .q41, .q51:
      if traits.fits(forced!), !traits.isSymmetric, traits.scaleFormat != .powerOfTwo {
        return .within(
          0x1p-11, because: "the offset, minus zero point times scale, is rounded to float16")
      }
    default: break
    }
    let usesBlocks =
      forced.map(traits.fits) ?? false || !traits.candidates.filter(hasExactOffset).isEmpty
    // Other scales are exact in half precision, or the weight is stored as plain numbers.
    guard usesBlocks, traits.scaleFormat == .float32 else { return .exact }
    return .within(
      0x1p-11, because: "blocks have float16 scales; train with 'scale: float16' to make it exact")
  }

  private static func hasExactOffset(_ type: GGUFType) -> Bool { type != .q41 && type != .q51 }
}
