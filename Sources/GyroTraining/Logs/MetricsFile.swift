public import Foundation
import GyroCheckpoints

/// Figures of a run as JSON lines: `{"step":12,"loss":3.25}`, one object per line, in the order
/// they were given. Numbers that are not finite are written as `null`.
public final class MetricsFile {
  private let file: LogFile

  /// Begins a new file, or continues one.
  ///
  /// - Parameter resumedStep: nil begins anew and drops what was there. A step continues the file:
  ///   lines of later steps, and a torn last line, are removed first, so a run that is resumed
  ///   leaves the same file as one that was never interrupted.
  /// - Throws: ``LogError`` or `FileError` when the file cannot be read or written.
  public init(_ url: URL, resumedStep: Int? = nil) throws {
    var kept = ""
    if let resumedStep, FileManager.default.fileExists(atPath: url.path) {
      kept = try Self.lines(of: url, upTo: resumedStep)
    }
    try AtomicFile.write(kept, to: url)
    file = try LogFile(appendingTo: url)
  }

  /// Appends one line.
  ///
  /// - Parameter labels: texts that say what the figures are about.
  /// - Throws: ``LogError`` when it cannot be written.
  public func append(
    step: Int, labels: [(name: String, text: String)] = [],
    _ values: [(name: String, value: Double)]
  ) throws(LogError) {
    let texts = labels.map { name, text in ",\(jsonQuoted(name)):\(jsonQuoted(text))" }
    let pairs =
      texts
      + values.map { name, value in
        ",\(jsonQuoted(name)):\(value.isFinite ? "\(value)" : "null")"
      }
    try file.append(Array("{\"step\":\(step)\(pairs.joined())}\n".utf8))
  }

  private static func lines(of url: URL, upTo last: Int) throws -> String {
    let data: Data
    do { data = try Data(contentsOf: url) } catch {
      throw LogError.unusableFile(path: url.path, reason: error.localizedDescription)
    }
    struct Line: Decodable { let step: Int }
    var kept = ""
    var lines = data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    lines.removeLast()  // empty, or torn
    for (place, line) in lines.enumerated() {
      guard let step = try? JSONDecoder().decode(Line.self, from: line).step else {
        throw LogError.malformedLine(path: url.path, line: place + 1)
      }
      if step <= last { kept += String(decoding: line, as: UTF8.self) + "\n" }
    }
    return kept
  }
}
