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
  /// Unicode 9.0; later scalars stay as and where they are.
  var isKnownToNormalization: Bool {
    guard let age = properties.age else { return false }
    return (age.major, age.minor) <= (9, 0)
  }
}
