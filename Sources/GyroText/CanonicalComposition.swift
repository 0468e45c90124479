import Foundation

/// The last step of the composed forms: joins starters with the marks and vowels after them.
///
/// The system's own composition is of no use: it leaves a Hangul syllable and a final consonant
/// apart, does not know U+0CCB, and takes scalars beyond the first plane for those of the same lower
/// 16 bits. Only its decomposition is relied upon.
enum CanonicalComposition {
  /// The composition of a decomposed text.
  static func compose(_ decomposed: String) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    var starter: Int?
    var previousClass: UInt8 = 0
    for scalar in decomposed.unicodeScalars {
      let combiningClass = scalar.properties.canonicalCombiningClass.rawValue
      if let starter, starter == result.count - 1 || previousClass < combiningClass,
        let composite = composite(result[starter], scalar)
      {
        result[starter] = composite
        continue
      }
      if combiningClass == 0 { starter = result.count }
      previousClass = combiningClass
      result.append(scalar)
    }
    return result
  }

  private static func composite(
    _ first: Unicode.Scalar, _ second: Unicode.Scalar
  ) -> Unicode.Scalar? {
    switch (first.value, second.value) {
    case (0x1100..<0x1113, 0x1161..<0x1176):
      Unicode.Scalar(0xAC00 + ((first.value - 0x1100) * 21 + second.value - 0x1161) * 28)
    case (0xAC00..<0xD7A4, 0x11A8..<0x11C3) where (first.value - 0xAC00) % 28 == 0:
      Unicode.Scalar(first.value + second.value - 0x11A7)
    default:
      composites[Pair(first: first, second: second)]
    }
  }

  private struct Pair: Hashable {
    let first, second: Unicode.Scalar
  }

  /// Blocks that hold all composites but those of Hangul.
  private static let blocks: [ClosedRange<UInt32>] = [0xC0...0x30FF, 0x11080...0x1193F]

  /// Scalars that decompose, but are not composed again although their parts are starters
  /// (CompositionExclusions.txt; those of other blocks need not be named).
  private static let exclusions: [ClosedRange<UInt32>] = [
    0x958...0x95F, 0x9DC...0x9DF, 0xA33...0xA36, 0xA59...0xA5E, 0xB5C...0xB5D, 0xF43...0xFB9,
    0x2ADC...0x2ADC,
  ]

  /// Every primary composite by its two parts, read off the decompositions: a scalar whose last
  /// part is B and whose others are what A decomposes into is A and B composed.
  private static let composites: [Pair: Unicode.Scalar] = {
    var parts: [(scalar: Unicode.Scalar, parts: [Unicode.Scalar])] = []
    var whole: [[Unicode.Scalar]: Unicode.Scalar] = [:]
    for scalar in blocks.joined().lazy.compactMap(Unicode.Scalar.init)
    where scalar.isKnownToNormalization {
      let decomposed = Array(
        String(Character(scalar)).decomposedStringWithCanonicalMapping.unicodeScalars)
      let isStarter =
        scalar.properties.canonicalCombiningClass == .notReordered
        && decomposed.first?.properties.canonicalCombiningClass == .notReordered
      // A scalar that stands for a whole other one (U+212B for U+00C5) comes after it.
      guard decomposed.count > 1, isStarter, whole[decomposed] == nil,
        !exclusions.contains(where: { $0 ~= scalar.value })
      else { continue }
      parts.append((scalar, decomposed))
      whole[decomposed] = scalar
    }
    var composites: [Pair: Unicode.Scalar] = [:]
    for (scalar, decomposed) in parts {
      let rest = Array(decomposed.dropLast())
      guard let first = rest.count == 1 ? rest[0] : whole[rest] else { continue }
      composites[Pair(first: first, second: decomposed[decomposed.count - 1])] = scalar
    }
    return composites
  }()
}
