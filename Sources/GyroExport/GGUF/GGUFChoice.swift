import GyroQuantization
import GyroTensors

/// How one tensor of the model lies in the file.
struct GGUFChoice {
  let type: GGUFType
  /// Whether the stored numbers are the trained ones, bit for bit.
  let isExact: Bool

  /// The storage of a quantized weight.
  ///
  /// The best block type that holds codes and scales bit for bit; for Float32 scales, which no block
  /// holds, the best one that rounds them; else plain numbers of the narrowest type that holds them
  /// all.
  ///
  /// - Parameter forced: a type the user asks for; weights whose rows it does not fit are stored as
  ///   if nobody had.
  /// - Throws: ``ExportError/impossible(format:path:what:because:instead:)`` when codes do not fit
  ///   the forced type.
  static func of(
    _ codes: QuantizedTensor, _ traits: GGUFWeightTraits, forced: GGUFType?, path: String
  ) throws(ExportError) -> GGUFChoice {
    let scales = GGUFScales(codes, traits)
    guard let forced, forced.scalarType != nil || !traits.holdsCodes(forced) || traits.fits(forced)
    else {
      let fits = traits.candidates.map { ($0, scales.fit($0)) }
      if let (type, _) = fits.first(where: { $0.1 == .exact }) {
        return GGUFChoice(type: type, isExact: true)
      }
      if traits.scaleFormat == .float32,
        let (type, _) = fits.first(where: { $0.1 == .rounded && $0.0 != .q41 && $0.0 != .q51 })
      {
        return GGUFChoice(type: type, isExact: false)
      }
      return dense(codes)
    }
    if let scalar = forced.scalarType {
      return GGUFChoice(type: forced, isExact: scalar.holds(codes.tensor))
    }
    guard traits.holdsCodes(forced) else {
      let other = traits.candidates.first?.name.lowercased() ?? "f32"
      throw .impossible(
        format: "gguf", path: path, what: "\(codes.format.name) codes as \(forced.name)",
        because: forced == .mxfp4 || forced == .nvfp4
          ? "\(forced.name) holds E2M1 codes with the scales of its own kind only"
          : "its whole numbers, less their zero points, are outside the range of \(forced.name)",
        instead: "Use storage \(other), or leave the storage out: the best one is found.")
    }
    switch scales.fit(forced) {
    case .exact: return GGUFChoice(type: forced, isExact: true)
    case .rounded: return GGUFChoice(type: forced, isExact: false)
    case .none: return dense(codes)
    }
  }

  private static func dense(_ codes: QuantizedTensor) -> GGUFChoice {
    GGUFChoice(type: GGUFType(.narrowest(holding: [codes.tensor]))!, isExact: true)
  }
}
