/// Rewrites a text before it is cut into words.
indirect enum Normalizer: Sendable {
  case unicode(UnicodeForm)
  case prepend([UInt8])
  case replace([UInt8], with: [UInt8])
  case lowercase
  case sequence([Normalizer])

  /// The normalized text.
  func apply(to text: [UInt8]) -> [UInt8] {
    switch self {
    case .unicode(let form):
      form.apply(to: text)
    case .prepend(let prefix):
      text.isEmpty ? text : prefix + text
    case .replace(let pattern, let content):
      text.replacing(bytes: pattern, with: content)
    case .lowercase:
      String(decoding: text, as: UTF8.self).unicodeScalars
        .flatMap { Array($0.properties.lowercaseMapping.utf8) }
    case .sequence(let normalizers):
      normalizers.reduce(text) { $1.apply(to: $0) }
    }
  }
}
