/// The character classes the pre-tokenization patterns speak of, as of Unicode 16, so that ids do
/// not change with the Unicode version of the system.
enum ScalarClass: UInt8, Sendable {
  /// `\p{L}`
  case letter
  /// `\p{N}`
  case number
  /// `\s` without carriage return and line feed
  case space
  /// `[\r\n]`
  case newline
  /// `[^\s\p{L}\p{N}]`
  case other

  /// Whether the class belongs to `\s`.
  @inline(__always)
  var isSpace: Bool { self == .space || self == .newline }

  /// The class of any scalar.
  init(_ scalar: Unicode.Scalar) {
    let properties = scalar.properties
    if scalar == "\r" || scalar == "\n" {
      self = .newline
    } else if properties.isWhitespace {
      self = .space
    } else {
      switch properties.generalCategory {
      case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
        self = scalar.isInUnicode16 ? .letter : .other
      case .decimalNumber, .letterNumber, .otherNumber:
        self = scalar.isInUnicode16 ? .number : .other
      default:
        self = .other
      }
    }
  }

  /// The classes of the scalars below U+0080.
  static let ascii: [ScalarClass] = (0..<0x80).map { ScalarClass(Unicode.Scalar(UInt8($0))) }
}

extension Unicode.Scalar {
  fileprivate var isInUnicode16: Bool {
    // Below, all letters and numbers are older.
    if value < 0x800 || (0x4E00..<0xA000).contains(value) || (0xAC00..<0xD7A4).contains(value) {
      return true
    }
    return (properties.age?.major ?? .max) <= 16
  }

  /// Whether the scalar belongs to `\w`: alphabetic, mark, decimal digit, connector, joiner.
  var isWordScalar: Bool {
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: true
    default: properties.isAlphabetic || properties.isJoinControl
    }
  }
}
