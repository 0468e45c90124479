import GyroModels
import GyroQuantization

/// The ways in which compressed-tensors lays out a weight, by the names it gives them.
enum CompressedFormat: String, Hashable {
  case packed = "pack-quantized"
  case integers = "int-quantized"
  case floats = "float-quantized"
  case nvfp4 = "nvfp4-pack-quantized"
  case mxfp4 = "mxfp4-pack-quantized"
  case mxfp6 = "mxfp6-pack-quantized"
  case mxfp8 = "mxfp8-quantized"

  /// Whether scales are E8M0 exponents.
  var isMicroscaling: Bool { [.mxfp4, .mxfp6, .mxfp8].contains(self) }
}

/// How one rule's weights lie in a file: the layout, what the configuration says of it, and what
/// each code becomes.
struct CompressedLayout {
  let format: CompressedFormat
  let weights: CompressedArguments
  let carrier: CodeCarrier

  /// Why a rule has no layout.
  struct Refusal: Error {
    let text: String
    init(_ text: String) { self.text = text }
  }

  /// - Parameters:
  ///   - inputs: what the configuration says of the layer's input; nil where it stays float.
  ///   - storage: the user's choice for whole numbers; nil for the one that runtimes expect.
  /// - Throws: ``Refusal`` when no layout has the rule's numbers.
  init(
    _ quantizer: Quantizer, inputs: CompressedArguments?, storage: String? = nil
  ) throws(Refusal) {
    if let special = Self.microscaling(quantizer) {
      self = special
      return
    }
    guard quantizer.scaleFormat != .e4m3 else {
      throw Refusal("scales in two levels are for FP4 in groups of 16, as NVFP4 has them")
    }
    let strategy = try Self.strategy(quantizer.granularity)
    guard let carrier = Self.carrier(quantizer) else {
      throw Refusal(
        "no layout has the numbers of \(quantizer.format.name); use int2…int8, e4m3, mxfp4 or nvfp4"
      )
    }
    if case .integer(let bits) = carrier.element {
      format =
        Self.isPacked(bits, quantizer, strategy, inputs, storage) ? .packed : .integers
      weights = CompressedArguments(
        bits: bits, element: .int, isSymmetric: quantizer.isSymmetric, strategy: strategy)
    } else {
      format = .floats
      weights = CompressedArguments(bits: 8, element: .float, strategy: strategy)
    }
    self.carrier = carrier
  }

  private init(
    _ format: CompressedFormat, _ bits: Int, _ strategy: CompressedArguments.Strategy,
    _ scaleType: String, _ carrier: CodeCarrier
  ) {
    self.format = format
    self.carrier = carrier
    weights = CompressedArguments(
      bits: bits, element: .float, strategy: strategy, scaleType: scaleType)
  }

  private static func carrier(_ quantizer: Quantizer) -> CodeCarrier? {
    guard quantizer.isSymmetric else { return CodeCarrier(asymmetric: quantizer.format.bits) }
    return CodeCarrier.integers(quantizer.format) ?? CodeCarrier.float8(quantizer.format)
  }

  private static func microscaling(_ quantizer: Quantizer) -> CompressedLayout? {
    guard quantizer.isSymmetric, let float = quantizer.format as? Minifloat else { return nil }
    let exponents = CompressedArguments.exponentBytes
    switch (quantizer.granularity, quantizer.scaleFormat) {
    case (.group(16), .e4m3) where float == .e2m1:
      return CodeCarrier(float, in: .float4).map {
        CompressedLayout(.nvfp4, 4, .tensorGroup(16), CompressedArguments.float8, $0)
      }
    case (.group(32), .e8m0), (.group(32), .powerOfTwo):
      if float == .e2m1, let carrier = CodeCarrier(float, in: .float4) {
        return CompressedLayout(.mxfp4, 4, .group(32), exponents, carrier)
      }
      if float == .e2m3, let carrier = CodeCarrier(float, in: .float6) {
        return CompressedLayout(.mxfp6, 6, .group(32), exponents, carrier)
      }
      return CodeCarrier(float, in: .float8).map {
        CompressedLayout(.mxfp8, 8, .group(32), exponents, $0)
      }
    default: return nil
    }
  }

  private static func strategy(
    _ granularity: Granularity
  ) throws(Refusal) -> CompressedArguments.Strategy {
    switch granularity {
    case .tensor: .tensor
    case .channel: .channel
    case .group(let size): .group(size)
    case .block(let rows, let columns): .block(rows: rows, columns: columns)
    case .token, .head: throw Refusal("weights have no \(granularity)")
    }
  }

  /// Packed words are what runtimes expect of weights alone, and of narrow weights beside quantized
  /// activations; bytes where these and the weights are INT8. Zero points of packed words are packed
  /// as well, which transformers takes only without quantized activations.
  private static func isPacked(
    _ bits: Int, _ quantizer: Quantizer, _ strategy: CompressedArguments.Strategy,
    _ inputs: CompressedArguments?, _ storage: String?
  ) -> Bool {
    switch strategy {
    case .channel, .group: break
    default: return false
    }
    if let storage { return storage == CompressedFormat.packed.rawValue }
    guard inputs != nil else { return true }
    return bits < 8 && quantizer.isSymmetric
  }
}
