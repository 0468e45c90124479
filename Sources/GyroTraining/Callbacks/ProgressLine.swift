import Foundation

/// The text of one progress line.
struct ProgressLine {
  let label: String
  let unit: String
  let metrics: StepMetrics
  let pace: ProgressPace

  private var fields: [String] {
    var fields = [
      "\(metrics.step)/\(metrics.steps)",
      "loss \(formatted(metrics.loss))",
      "rate \(scientific(metrics.rate))",
      "\(abbreviated(pace.itemsPerSecond)) \(unit)/s",
    ]
    if metrics.residentBytes > 0 { fields.append("\(metrics.residentBytes >> 20) MiB") }
    let left = Double(metrics.steps - metrics.step) * pace.secondsPerStep
    fields.append("\(clockTime(left)) left")
    return fields
  }

  /// The line for a log.
  var plain: String { label + " " + fields.joined(separator: "  ") }

  /// The line for a terminal: bar first, cut to the columns there are.
  func live(columns: Int, color: Bool) -> String {
    let text = " " + fields.joined(separator: "  ")
    let room = columns - 1 - label.count - 3 - text.count
    let width = max(8, min(24, room))
    let share = Double(metrics.step) / Double(max(1, metrics.steps))
    let done = min(width, max(0, Int(share * Double(width))))
    let full = String(repeating: "#", count: done)
    let rest = String(repeating: "-", count: width - done)
    let tail = String(text.prefix(max(0, columns - 1 - label.count - 3 - width)))
    let bar = color ? "\u{1B}[32m\(full)\u{1B}[0m\(rest)" : full + rest
    return "\(label) [\(bar)]\(tail)"
  }
}

/// Four decimals, or scientific notation where those say little.
func formatted(_ value: Double) -> String {
  let magnitude = abs(value)
  if magnitude != 0, magnitude < 1e-3 || magnitude >= 1e6 { return scientific(value) }
  return String(format: "%.4f", value)
}

/// Two digits and an exponent, e.g. `9.1e-5`.
func scientific(_ value: Double) -> String {
  guard value != 0, value.isFinite else { return "\(value)" }
  let parts = String(format: "%.1e", value).split(separator: "e")
  return "\(parts[0])e\(Int(parts[1]) ?? 0)"
}

/// `941`, `12.3k`, `4.5M`.
func abbreviated(_ value: Double) -> String {
  if value < 1000 { return String(format: value < 10 ? "%.1f" : "%.0f", value) }
  if value < 999_950 { return String(format: "%.1fk", value / 1e3) }
  return String(format: "%.1fM", value / 1e6)
}

/// `0:42`, `12:05`, `1:02:10`.
func clockTime(_ seconds: Double) -> String {
  let total = Int(seconds.isFinite ? max(0, seconds).rounded() : 0)
  let (hours, minutes, rest) = (total / 3600, total / 60 % 60, total % 60)
  func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
  return hours > 0
    ? "\(hours):\(padded(minutes)):\(padded(rest))" : "\(minutes):\(padded(rest))"
}
