import Foundation
import TestSupport
import Testing

@testable import GyroTraining

@Suite("Logs")
struct LogsTests {
  @Test("CRC-32C gives the published values (RFC 3720, B.4)")
  func checksums() {
    #expect(CRC32C.checksum("123456789".utf8) == 0xE306_9283)
    #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
    #expect(CRC32C.checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
    #expect(CRC32C.checksum((0..<32).map { UInt8($0) }) == 0x46DD_794E)
    #expect(CRC32C.checksum((0..<32).reversed().map { UInt8($0) }) == 0x113F_DB5C)
    #expect(CRC32C.checksum([]) == 0)
  }

  /// A record's data, after both checksums are checked.
  private func records(_ url: URL) throws -> [[UInt8]] {
    let bytes = [UInt8](try Data(contentsOf: url))
    var found: [[UInt8]] = []
    var place = 0
    func number(_ width: Int) -> UInt64 {
      defer { place += width }
      return bytes[place..<place + width].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    while place < bytes.count {
      let length = Int(number(8))
      #expect(UInt32(number(4)) == CRC32C.masked(bytes[place - 12..<place - 4]))
      found.append(Array(bytes[place..<place + length]))
      place += length
      #expect(UInt32(number(4)) == CRC32C.masked(found[found.count - 1]))
    }
    return found
  }

  @Test("An event file is a version record and one record per step, field by field")
  func eventFile() throws {
    try inTemporaryFolder { folder in
      let time = Date(timeIntervalSince1970: 1)
      let writer = try TensorBoardWriter(directory: folder, time: time, host: "a/b")
      try writer.append(step: 300, [("loss", 0.5)], time: time)
      #expect(writer.url.lastPathComponent == "events.out.tfevents.1.a-b.000.gyro")
      let second: [UInt8] = [0x09, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F]
      #expect(
        try records(writer.url) == [
          second + [0x1A, 13] + Array("brain.Event:2".utf8),
          second + [0x10, 0xAC, 0x02, 0x2A, 13, 0x0A, 11, 0x0A, 4] + Array("loss".utf8)
            + [0x15, 0, 0, 0, 0x3F],
        ])
    }
  }

  @Test("A resumed run writes a file of its own that begins a session at the next step")
  func resumedEventFile() throws {
    try inTemporaryFolder { folder in
      let time = Date(timeIntervalSince1970: 1)
      let first = try TensorBoardWriter(directory: folder, time: time, host: "h")
      let second = try TensorBoardWriter(directory: folder, resumedStep: 4, time: time, host: "h")
      #expect(first.url.lastPathComponent < second.url.lastPathComponent)
      let session = try records(second.url)[1]
      #expect(session.suffix(6) == [0x10, 5, 0x3A, 2, 0x08, 1])
    }
  }

  @Test("Metrics are one JSON object per line; numbers that are not finite become null")
  func metrics() throws {
    try inTemporaryFolder { folder in
      let url = folder.appendingPathComponent("metrics.jsonl")
      let file = try MetricsFile(url)
      try file.append(step: 1, [("loss", 3.25), ("a\"b", 1e-7), ("bad", .nan)])
      try file.append(step: 2, [])
      #expect(
        try String(contentsOf: url, encoding: .utf8)
          == "{\"step\":1,\"loss\":3.25,\"a\\\"b\":1e-07,\"bad\":null}\n{\"step\":2}\n")
    }
  }

  @Test("Resuming drops later steps and a torn line, and leaves what an unbroken run leaves")
  func resumedMetrics() throws {
    try inTemporaryFolder { folder in
      let url = folder.appendingPathComponent("metrics.jsonl")
      func write(_ steps: ClosedRange<Int>, resumedStep: Int?) throws {
        let file = try MetricsFile(url, resumedStep: resumedStep)
        for step in steps { try file.append(step: step, [("x", Double(step))]) }
      }
      try write(1...9, resumedStep: nil)
      let unbroken = try Data(contentsOf: url)
      try write(1...7, resumedStep: nil)
      var torn = try Data(contentsOf: url)
      torn.append(contentsOf: "{\"step\":8,\"x".utf8)
      try torn.write(to: url)
      try write(6...9, resumedStep: 5)
      #expect(try Data(contentsOf: url) == unbroken)
    }
  }

  @Test("A metrics file with foreign lines is not continued")
  func foreignMetrics() throws {
    try inTemporaryFolder { folder in
      let url = folder.appendingPathComponent("metrics.jsonl")
      try Data("{\"step\":1}\nhello\n".utf8).write(to: url)
      #expect(throws: LogError.malformedLine(path: url.path, line: 2)) {
        try MetricsFile(url, resumedStep: 5)
      }
    }
  }

  @Test("A full disk is reported, not ignored", .enabled(if: access("/dev/full", W_OK) == 0))
  func fullDisk() throws {
    let file = try LogFile(appendingTo: URL(fileURLWithPath: "/dev/full"))
    #expect(throws: LogError.self) { try file.append([1, 2, 3]) }
  }
}
