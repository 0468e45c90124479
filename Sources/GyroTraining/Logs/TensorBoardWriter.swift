public import Foundation

/// Scalars of a run as a TensorBoard event file.
///
/// The file is a row of records `u64 length | u32 checksum of the length | data | u32 checksum of
/// the data`, each holding an `Event` protocol buffer; field numbers are those of TensorFlow's
/// event.proto and summary.proto.
public final class TensorBoardWriter {
  /// The event file.
  public let url: URL
  private let file: LogFile

  /// Begins an event file in a folder. TensorBoard reads all files of a folder as one run.
  ///
  /// - Parameters:
  ///   - resumedStep: when a run is resumed after this step, tells TensorBoard to forget what
  ///     earlier files say about later ones.
  ///   - time: the present time.
  /// - Throws: ``LogError`` when the file cannot be written.
  public init(
    directory: URL, resumedStep: Int? = nil, time: Date = Date(),
    host: String = ProcessInfo.processInfo.hostName
  ) throws(LogError) {
    let seconds = Int(time.timeIntervalSince1970)
    let safeHost = host.replacingOccurrences(of: "/", with: "-")
    var url = directory
    var place = 0
    repeat {  // a run resumed within the same second needs a file of its own, sorted after it
      let suffix = String(repeating: "0", count: max(0, 3 - "\(place)".count)) + "\(place)"
      url = directory.appendingPathComponent(
        "events.out.tfevents.\(seconds).\(safeHost).\(suffix).gyro")
      place += 1
    } while FileManager.default.fileExists(atPath: url.path)
    self.url = url
    file = try LogFile(appendingTo: url)
    try append(time: time) { $0.append(field: 3, bytes: Array("brain.Event:2".utf8)) }
    if let resumedStep {
      var session = ProtocolBuffer()
      session.append(field: 1, integer: 1)  // SessionLog.status = START
      try append(time: time, step: resumedStep + 1) { $0.append(field: 7, bytes: session.bytes) }
    }
  }

  /// Appends scalars of one step.
  ///
  /// - Throws: ``LogError`` when they cannot be written.
  public func append(
    step: Int, _ values: [(name: String, value: Double)], time: Date = Date()
  ) throws(LogError) {
    var summary = ProtocolBuffer()
    for (name, number) in values {
      var value = ProtocolBuffer()
      value.append(field: 1, bytes: Array(name.utf8))  // tag
      value.append(field: 2, float: Float(number))  // simple_value
      summary.append(field: 1, bytes: value.bytes)
    }
    try append(time: time, step: step) { $0.append(field: 5, bytes: summary.bytes) }
  }

  private func append(
    time: Date, step: Int = 0, _ content: (inout ProtocolBuffer) -> Void
  ) throws(LogError) {
    var event = ProtocolBuffer()
    event.append(field: 1, double: time.timeIntervalSince1970)
    if step != 0 { event.append(field: 2, integer: step) }
    content(&event)
    let length = littleEndian(UInt64(event.bytes.count))
    try file.append(
      length + littleEndian(CRC32C.masked(length))
        + event.bytes + littleEndian(CRC32C.masked(event.bytes)))
  }
}

/// The wire format of protocol buffers, as far as events need it.
private struct ProtocolBuffer {
  private(set) var bytes: [UInt8] = []

  mutating func append(field: Int, integer: Int) {
    append(UInt64(field) << 3)
    append(UInt64(bitPattern: Int64(integer)))
  }

  mutating func append(field: Int, double: Double) {
    append(UInt64(field) << 3 | 1)
    bytes += littleEndian(double.bitPattern)
  }

  mutating func append(field: Int, float: Float) {
    append(UInt64(field) << 3 | 5)
    bytes += littleEndian(float.bitPattern)
  }

  mutating func append(field: Int, bytes content: [UInt8]) {
    append(UInt64(field) << 3 | 2)
    append(UInt64(content.count))
    bytes += content
  }

  /// A number of seven bits per byte, lowest first.
  private mutating func append(_ number: UInt64) {
    var rest = number
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}

private func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian, Array.init)
}
