import ArgumentParser
import Foundation
import Logging

/// What all commands share: results on standard output, everything else on standard error.
struct OutputOptions: ParsableArguments {
  @Flag(help: "Print exactly one JSON object on standard output, keys sorted.")
  var json = false
  @Flag(help: "Print nothing but results and errors.")
  var quiet = false

  @Option(help: "Diagnostics to show on standard error.")
  var logLevel: LogLevel = .warning

  /// Prints a value as one line of JSON with sorted keys.
  func print(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    var data = try encoder.encode(value)
    data.append(UInt8(ascii: "\n"))
    try FileHandle.standardOutput.write(contentsOf: data)
  }

  /// Warns, on standard error.
  func warn(_ text: String) { logger.warning("\(text)") }

  /// Diagnostics on standard error, at the level asked for.
  var logger: Logger {
    var logger = Logger(label: "gyro") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel = Logger.Level(rawValue: logLevel.rawValue) ?? .warning
    return logger
  }

  /// Says what is going on, on standard error.
  func note(_ text: String) {
    if !quiet { Terminal.standardError.write(Terminal.standardError.dim(text) + "\n") }
  }
}

/// Tables of fixed widths; a negative width aligns to the right.
enum Columns {
  static func row(_ cells: [(text: String, width: Int)]) -> String {
    var line = ""
    for (text, width) in cells {
      let padding = String(repeating: " ", count: max(0, abs(width) - text.count))
      line += width < 0 ? padding + text : text + padding
    }
    while line.hasSuffix(" ") { line.removeLast() }
    return line
  }

  static func decimal(_ value: Double, _ places: Int) -> String {
    value.formatted(
      .number.precision(.fractionLength(places)).grouping(.never)
        .locale(Locale(identifier: "en_US_POSIX")))
  }
}

/// How much diagnostics to show: the levels of swift-log.
enum LogLevel: String, ExpressibleByArgument, CaseIterable {
  case trace, debug, info, notice, warning, error, critical
}
