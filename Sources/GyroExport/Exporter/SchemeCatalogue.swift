import GyroModels
import GyroQuantization

/// The schemes of the truth table.
enum SchemeCatalogue {
  /// Names and schemes; nil for float.
  static var all: [(name: String, scheme: QuantizationScheme?)] {
    [("float", nil)] + integerWeights + integerActivations + floats + whole
  }

  private typealias Entry = (name: String, scheme: QuantizationScheme?)

  private static func weights(
    _ format: String, _ granularity: Granularity?, _ scale: ScaleFormat? = nil,
    symmetric: Bool = true
  ) -> QuantizationScheme {
    QuantizationScheme(
      weights: QuantizationRule(
        format: format, granularity: granularity, scale: scale, isSymmetric: symmetric))
  }

  private static let integerWeights: [Entry] = [
    ("int8, channel", weights("int8", .channel)),
    ("int8, group-32, float16 scales", weights("int8", .group(32), .float16)),
    ("int4, channel, float16 scales", weights("int4", .channel, .float16)),
    ("int4, group-32", weights("int4", .group(32))),
    ("int4, group-32, float16 scales", weights("int4", .group(32), .float16)),
    ("int4, group-128, bfloat16 scales", weights("int4", .group(128), .bfloat16)),
    (
      "int4 asymmetric, group-32, float16 scales",
      weights("int4", .group(32), .float16, symmetric: false)
    ),
    (
      "int4 asymmetric, channel, float16 scales",
      weights("int4", .channel, .float16, symmetric: false)
    ),
    ("int3, channel, float16 scales", weights("int3", .channel, .float16)),
    ("int2, group-32, float16 scales", weights("int2", .group(32), .float16)),
    ("ternary, channel, float16 scales", weights("ternary", .channel, .float16)),
    ("nf4, group-64", weights("nf4", .group(64))),
  ]

  private static func pair(
    _ weights: QuantizationRule, _ activations: QuantizationRule
  ) -> QuantizationScheme {
    QuantizationScheme(weights: weights, activations: activations)
  }

  private static let integerActivations: [Entry] = [
    ("W8A8, channel, token", .int8),
    (
      "W8A8, channel, static",
      pair(
        QuantizationRule(format: "int8", granularity: .channel),
        QuantizationRule(format: "int8", granularity: .tensor, isDynamic: false))
    ),
    (
      "W4A8, group-32, token",
      pair(
        QuantizationRule(format: "int4", granularity: .group(32), scale: .float16),
        QuantizationRule(format: "int8", granularity: .token))
    ),
    (
      "W4A4, channel, asymmetric token",
      pair(
        QuantizationRule(format: "int4", granularity: .channel, scale: .float16),
        QuantizationRule(format: "int4", granularity: .token, isSymmetric: false))
    ),
    (
      "W4A4, learned clipping",
      pair(
        QuantizationRule(format: "int4", granularity: .channel, scale: .float16),
        QuantizationRule(
          format: "int4", granularity: .token, isSymmetric: false, estimator: "clip(initial=1)"))
    ),
  ]

  private static let floats: [Entry] = [
    (
      "FP8 E4M3, channel, token",
      pair(
        QuantizationRule(format: "e4m3", granularity: .channel),
        QuantizationRule(format: "e4m3", granularity: .token))
    ),
    (
      "FP8 E4M3, tensor, static",
      pair(
        QuantizationRule(format: "e4m3", granularity: .tensor),
        QuantizationRule(format: "e4m3", granularity: .tensor, isDynamic: false))
    ),
    ("mxfp8", weights("mxfp8", nil)),
    ("mxfp4", weights("mxfp4", nil)),
    ("nvfp4", weights("nvfp4", nil)),
  ]

  /// Embeddings, caches and rotations.
  private static let whole: [Entry] = [
    (
      "int8 embeddings, group-32, float16 scales",
      QuantizationScheme(
        embeddings: QuantizationRule(format: "int8", granularity: .group(32), scale: .float16))
    ),
    ("keys and values int4, head", cached("int4", .head(size: 64), isDynamic: true)),
    ("keys and values E4M3, static", cached("e4m3", .tensor, isDynamic: false)),
    ("rotated by R1, R2", rotated([.residual, .values])),
    ("rotated by R1–R4", rotated([.residual, .values, .keys, .feedForward])),
  ]

  private static func cached(
    _ format: String, _ granularity: Granularity, isDynamic: Bool
  ) -> QuantizationScheme {
    let rule = QuantizationRule(format: format, granularity: granularity, isDynamic: isDynamic)
    return QuantizationScheme(keys: rule, values: rule)
  }

  private static func rotated(_ placements: Set<RotationRule.Placement>) -> QuantizationScheme {
    var scheme = weights("int4", .group(32), .float16)
    scheme.rotations = RotationRule(placements)
    return scheme
  }
}
