import Foundation

/// A look over the bytes of a file before any of it is taken apart: every length lies inside of what
/// surrounds it, and there are not more messages, names and numbers than a graph of ours may have, so
/// that taking it apart costs no more memory than the file and a fixed amount.
struct ONNXScan {
  /// The messages a file is made of; their nesting is finite, which bounds the depth.
  private enum Message {
    case model, graph, node, attribute, tensor, value, type, tensorType, shape, leaf

    /// What the length-delimited field of a number is: another message, or nil.
    func inner(_ field: UInt64) -> Message? {
      switch (self, field) {
      case (.model, 7): .graph
      case (.model, 8), (.model, 14), (.shape, 1): .leaf
      case (.graph, 1): .node
      case (.graph, 5), (.attribute, 5): .tensor
      case (.graph, 11), (.graph, 12): .value
      case (.node, 5): .attribute
      case (.value, 2): .type
      case (.type, 1): .tensorType
      case (.tensorType, 2): .shape
      default: nil
      }
    }

    /// Whether a field repeats: names, or numbers one behind the other.
    func repeats(_ field: UInt64) -> Bool {
      switch (self, field) {
      case (.node, 1), (.node, 2), (.attribute, 7), (.attribute, 8), (.tensor, 1): true
      default: false
      }
    }
  }

  private let file: String
  private let bytes: UnsafeRawBufferPointer
  /// Messages, names and numbers that are still allowed.
  private var left = 1 << 20

  /// - Throws: ``ExportError/malformed(file:place:expected:found:)``.
  static func check(_ data: Data, file: String) throws(ExportError) {
    let outcome: Result<Void, ExportError> = data.withUnsafeBytes { bytes in
      Result { () throws(ExportError) in
        var scan = ONNXScan(file: file, bytes: bytes)
        try scan.scan(.model, 0..<bytes.count)
      }
    }
    try outcome.get()
  }

  private init(file: String, bytes: UnsafeRawBufferPointer) {
    self.file = file
    self.bytes = bytes
  }

  private mutating func scan(_ message: Message, _ range: Range<Int>) throws(ExportError) {
    try take(1, at: range.lowerBound)
    var place = range.lowerBound
    while place < range.upperBound {
      let start = place
      let tag = try number(&place, range.upperBound)
      switch tag & 7 {
      case 0:
        _ = try number(&place, range.upperBound)
        try take(1, at: start)
      case 1: place += 8
      case 2:
        let length = try number(&place, range.upperBound)
        guard length <= UInt64(range.upperBound - place) else {
          throw malformed(start, "at most \(range.upperBound - place) bytes", "\(length)")
        }
        let end = place + Int(length)
        if let inner = message.inner(tag >> 3) {
          try scan(inner, place..<end)
        } else if message.repeats(tag >> 3) {
          try take(message == .node ? 1 : end - place, at: start)
        }
        place = end
      case 5:
        place += 4
        try take(1, at: start)
      default: throw malformed(start, "a field of a known kind", "kind \(tag & 7)")
      }
      guard place <= range.upperBound else {
        throw malformed(start, "a whole field", "the end of what holds it")
      }
    }
  }

  private mutating func take(_ count: Int, at place: Int) throws(ExportError) {
    guard count <= left else {
      throw malformed(place, "a graph of at most \(1 << 20) nodes, names and numbers", "more")
    }
    left -= count
  }

  /// A number of up to ten bytes of seven bits.
  private func number(_ place: inout Int, _ end: Int) throws(ExportError) -> UInt64 {
    var result: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard place < end else { throw malformed(place, "a number", "the end of what holds it") }
      let byte = bytes[place]
      place += 1
      result |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return result }
    }
    throw malformed(place, "a number of at most ten bytes", "a longer one")
  }

  private func malformed(_ place: Int, _ expected: String, _ found: String) -> ExportError {
    .malformed(file: file, place: "byte \(place)", expected: expected, found: found)
  }
}
