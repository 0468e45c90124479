import Foundation

/// Numbers and words as pictures show them.
enum PictureText {
  /// A coordinate: tenths at most, as few characters as it takes.
  static func coordinate(_ value: Double) -> String {
    let tenths = Int((min(max(value, -1e9), 1e9) * 10).rounded())
    let (whole, rest) = abs(tenths).quotientAndRemainder(dividingBy: 10)
    return (tenths < 0 ? "-" : "") + "\(whole)" + (rest == 0 ? "" : ".\(rest)")
  }

  /// A number with so many places, and never a negative zero.
  static func decimal(_ value: Double, places: Int) -> String {
    signed(String(format: "%.\(places)f", value))
  }

  /// A number in powers of ten, like `2.5e6`.
  static func power(_ value: Double, places: Int) -> String {
    if value == 0 { return "0" }
    let parts = String(format: "%.\(places)e", value).split(separator: "e")
    var digits = String(parts[0])
    if digits.contains(".") { while digits.hasSuffix("0") { digits.removeLast() } }
    if digits.hasSuffix(".") { digits.removeLast() }
    return signed(digits) + "e" + signed("\(Int(parts[1]) ?? 0)")
  }

  /// A number to three significant digits.
  static func figure(_ value: Double) -> String {
    guard value.isFinite else { return "no number" }
    let magnitude = abs(value)
    if magnitude == 0 { return "0" }
    if magnitude < 1e-4 || magnitude >= 1e6 { return power(value, places: 2) }
    return decimal(value, places: min(6, max(0, 2 - Int(log10(magnitude).rounded(.down)))))
  }

  /// Text as the content of an element or an attribute, in XML and in HTML.
  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "\t", "\n", "\r": result.unicodeScalars.append(scalar)
      // XML has no way to write the other control characters, nor these two.
      case "\u{0}"..."\u{1f}", "\u{fffe}", "\u{ffff}": result += "\u{fffd}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// A typographic minus; none before zero.
  private static func signed(_ digits: String) -> String {
    guard digits.hasPrefix("-") else { return digits }
    let rest = digits.dropFirst()
    return rest.allSatisfy { $0 == "0" || $0 == "." } ? String(rest) : "−" + rest
  }
}
