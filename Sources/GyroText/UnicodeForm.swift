import Foundation

/// The Unicode normalization forms.
enum UnicodeForm: String, Sendable, CaseIterable {
  case composed = "NFC"
  case decomposed = "NFD"
  case compatibilityComposed = "NFKC"
  case compatibilityDecomposed = "NFKD"

  /// `text` in this form. Only stretches that the form may change are rewritten.
  func apply(to text: [UInt8]) -> [UInt8] {
    if text.allSatisfy({ $0 < 0x80 }) { return text }
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var copied = 0
    var lastStable = 0
    var position = 0
    var isDirty = false
    UTF8Text.with(text) { view in
      while position < text.count {
        if isStable(view.scalar(at: position)) {
          if isDirty {
            result.append(contentsOf: text[copied..<lastStable])
            result.append(contentsOf: rewritten(text[lastStable..<position]))
            copied = position
            isDirty = false
          }
          lastStable = position
        } else {
          isDirty = true
        }
        position += UTF8Text.width(lead: view[position])
      }
    }
    if isDirty {
      result.append(contentsOf: text[copied..<lastStable])
      result.append(contentsOf: rewritten(text[lastStable...]))
    } else {
      result.append(contentsOf: text[copied...])
    }
    return result
  }

  /// Whether `scalar` begins a new stretch: it never joins what stands before it, and by itself
  /// it is unchanged by the form.
  private func isStable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x80: true
    case 0xA0..<0x300, 0x400..<0x483, 0x2010..<0x2028, 0x3042..<0x3097, 0x30A2..<0x30FB,
      0x4E00..<0xA000, 0xAC00..<0xD7A4:
      self == .composed
    default: false
    }
  }

  private func rewritten(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    var result = String.UnicodeScalarView()
    var stretch = String.UnicodeScalarView()
    for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
      if scalar.isKnownToNormalization {
        stretch.append(scalar)
      } else {
        result.append(contentsOf: rewritten(stretch))
        result.append(scalar)
        stretch = String.UnicodeScalarView()
      }
    }
    result.append(contentsOf: rewritten(stretch))
    return Array(String(result).utf8)
  }

  private func rewritten(_ scalars: String.UnicodeScalarView) -> [Unicode.Scalar] {
    let text = String(scalars)
    switch self {
    case .composed:
      return CanonicalComposition.compose(text.decomposedStringWithCanonicalMapping)
    case .decomposed:
      return Array(text.decomposedStringWithCanonicalMapping.unicodeScalars)
    case .compatibilityComposed:
      return CanonicalComposition.compose(text.decomposedStringWithCompatibilityMapping)
    case .compatibilityDecomposed:
      return Array(text.decomposedStringWithCompatibilityMapping.unicodeScalars)
    }
  }
}

extension Unicode.Scalar {
  /// Whether normalization may change the scalar. The reference implementation normalizes as of
  /// Unicode 12.0; later scalars stay as they are.
  var isKnownToNormalization: Bool {
    guard let age = properties.age else { return false }
    return (age.major, age.minor) <= (12, 0)
  }
}

/// The last step of the composed forms: joins starters with the marks and vowels after them.
///
/// The system's own composition leaves a Hangul syllable and a final consonant apart, so only
/// its decomposition and its composition of two scalars are relied upon.
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
      return Unicode.Scalar(
        0xAC00 + ((first.value - 0x1100) * 21 + second.value - 0x1161) * 28)
    case (0xAC00..<0xD7A4, 0x11A8..<0x11C3) where (first.value - 0xAC00) % 28 == 0:
      return Unicode.Scalar(first.value + second.value - 0x11A7)
    case (0x1100..<0x1200, _), (0xAC00..<0xD7A4, _), (_, 0..<0x300), (_, 0x1100..<0x1200):
      return nil
    default:
      let pair = String(String.UnicodeScalarView([first, second]))
      let composed = pair.precomposedStringWithCanonicalMapping.unicodeScalars
      guard composed.count == 1, let only = composed.first, only.isKnownToNormalization else {
        return nil
      }
      return only
    }
  }
}
