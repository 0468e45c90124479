import Foundation
import GyroQuantization

/// How compressed-tensors describes one quantizer (`QuantizationArgs` of that library).
struct CompressedArguments: Hashable {
  enum Element: String {
    case int, float
  }

  /// Which elements share a scale.
  enum Strategy: Hashable {
    case tensor, channel, token
    case group(Int)
    /// Groups with a second scale for the tensor.
    case tensorGroup(Int)
    case block(rows: Int, columns: Int)
  }

  /// Where the scales come from.
  enum Range {
    /// The file.
    case fixed
    /// Every batch.
    case dynamic
    /// Every batch, under a second scale from the file.
    case local
  }

  var bits: Int
  var element: Element
  var isSymmetric = true
  var strategy: Strategy
  var range = Range.fixed
  /// The type of scales where it is part of the format: `uint8` (E8M0) or `float8_e4m3fn`.
  var scaleType: String?

  static let exponentBytes = "torch.uint8"
  static let float8 = "torch.float8_e4m3fn"

  // MARK: JSON

  var json: [String: Any] {
    var object: [String: Any] = [
      "num_bits": bits, "type": element.rawValue, "symmetric": isSymmetric,
    ]
    switch strategy {
    case .tensor: object["strategy"] = "tensor"
    case .channel: object["strategy"] = "channel"
    case .token: object["strategy"] = "token"
    case .group(let size):
      object["strategy"] = "group"
      object["group_size"] = size
    case .tensorGroup(let size):
      object["strategy"] = "tensor_group"
      object["group_size"] = size
    case .block(let rows, let columns):
      object["strategy"] = "block"
      object["block_structure"] = [rows, columns]
    }
    switch range {
    case .fixed: object["dynamic"] = false
    case .dynamic: object["dynamic"] = true
    case .local: object["dynamic"] = "local"
    }
    if let scaleType { object["scale_dtype"] = scaleType }
    return object
  }

  /// Reads arguments; nil for `null`.
  /// - Throws: ``ExportError/malformed(file:place:expected:found:)`` and
  ///   ``ExportError/unsupported(file:what:supported:)``.
  init?(_ value: Any?, _ place: ConfigurationPlace) throws(ExportError) {
    guard let value, !(value is NSNull) else { return nil }
    let object = try place.object(value)
    bits = try place.whole(object, "num_bits", 1...8, default: 8)
    let type = try place.text(object, "type", default: "int").lowercased()
    guard let element = Element(rawValue: type) else {
      throw place.malformed("type", "int or float", type)
    }
    guard element == .int || [4, 6, 8].contains(bits) else {
      throw place.unsupported("\(bits)-bit floats", "4, 6 and 8 bits")
    }
    self.element = element
    isSymmetric = try place.flag(object, "symmetric", default: true)
    scaleType = object["scale_dtype"] as? String
    strategy = try Self.strategy(object, place)
    switch object["dynamic"] {
    case let text as String where text.lowercased() == "local": range = .local
    default: range = try place.flag(object, "dynamic", default: false) ? .dynamic : .fixed
    }
  }

  init(
    bits: Int, element: Element, isSymmetric: Bool = true, strategy: Strategy,
    range: Range = .fixed, scaleType: String? = nil
  ) {
    self.bits = bits
    self.element = element
    self.isSymmetric = isSymmetric
    self.strategy = strategy
    self.range = range
    self.scaleType = scaleType
  }

  private static func strategy(
    _ object: [String: Any], _ place: ConfigurationPlace
  ) throws(ExportError) -> Strategy {
    let size = try place.whole(object, "group_size", -1...Int(Int32.max), default: 0)
    let implied = size > 0 ? "group" : size == -1 ? "channel" : "tensor"
    let name = try place.text(object, "strategy", default: implied).lowercased()
    switch name {
    case "tensor": return .tensor
    case "channel": return .channel
    case "token": return .token
    case "group", "tensor_group":
      guard size > 0 else { throw place.malformed("group_size", "a positive number", "\(size)") }
      return name == "group" ? .group(size) : .tensorGroup(size)
    case "block":
      let extents = object["block_structure"] as? [Int] ?? []
      guard extents.count == 2, extents.allSatisfy({ (1...Int(Int32.max)).contains($0) }) else {
        throw place.malformed("block_structure", "rows and columns", "\(extents)")
      }
      return .block(rows: extents[0], columns: extents[1])
    default:
      throw place.unsupported(
        "the strategy '\(name)'", "tensor, channel, token, group, tensor_group and block")
    }
  }
}

/// Where in `config.json` something is read, for messages.
struct ConfigurationPlace {
  let file: String
  let key: String

  func inside(_ name: String) -> ConfigurationPlace {
    ConfigurationPlace(file: file, key: key + "." + name)
  }

  func malformed(_ name: String, _ expected: String, _ found: String) -> ExportError {
    .malformed(
      file: file, place: name.isEmpty ? key : key + "." + name, expected: expected,
      found: String(found.prefix(80)))
  }

  func unsupported(_ what: String, _ supported: String) -> ExportError {
    .unsupported(file: file, what: "\(key): \(what)", supported: supported)
  }

  func object(_ value: Any?) throws(ExportError) -> [String: Any] {
    guard let object = value as? [String: Any] else {
      throw malformed("", "an object", value.map { "\($0)" } ?? "nothing")
    }
    return object
  }

  func text(
    _ object: [String: Any], _ name: String, default fallback: String? = nil
  ) throws(ExportError) -> String {
    guard let value = object[name], !(value is NSNull) else {
      guard let fallback else { throw malformed(name, "a string", "nothing") }
      return fallback
    }
    guard let text = value as? String else { throw malformed(name, "a string", "\(value)") }
    return text
  }

  func texts(_ object: [String: Any], _ name: String) throws(ExportError) -> [String] {
    guard let value = object[name], !(value is NSNull) else { return [] }
    if let one = value as? String { return [one] }
    guard let many = value as? [String] else { throw malformed(name, "strings", "\(value)") }
    return many
  }

  func whole(
    _ object: [String: Any], _ name: String, _ range: ClosedRange<Int>, default fallback: Int
  ) throws(ExportError) -> Int {
    guard let value = object[name], !(value is NSNull) else { return fallback }
    guard let number = value as? Int, range.contains(number) else {
      throw malformed(name, "a whole number from \(range.lowerBound)", "\(value)")
    }
    return number
  }

  func flag(
    _ object: [String: Any], _ name: String, default fallback: Bool
  ) throws(ExportError) -> Bool {
    guard let value = object[name], !(value is NSNull) else { return fallback }
    guard let flag = value as? Bool else { throw malformed(name, "true or false", "\(value)") }
    return flag
  }
}
