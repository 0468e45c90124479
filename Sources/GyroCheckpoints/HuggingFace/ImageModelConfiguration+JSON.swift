package import Foundation
package import GyroModels

extension ImageModelConfiguration {
  /// `config.json` as it is written; every key but those of other architectures must be there.
  private struct Record: Codable {
    var architectures: [String]
    var image: [Int]
    var classes: Int
    var widths: [Int]?
    var blocksPerStage: Int?
    var stem: Int?
    var blocks: [MobileNetConfiguration.Block]?
    var hidden: [Int]?
  }

  /// Reads `config.json`.
  package init(json data: Data) throws(ConfigurationError) {
    let record: Record
    do {
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      record = try decoder.decode(Record.self, from: data)
    } catch DecodingError.keyNotFound(let key, _) {
      throw .missing(key: key.stringValue)
    } catch DecodingError.typeMismatch(let type, let context) {
      throw .wrongType(
        key: context.codingPath.map(\.stringValue).joined(separator: "."),
        expected: "\(type)", got: "another type")
    } catch {
      throw .notAnObject(detail: "\(data.count) bytes that do not parse")
    }
    let name = record.architectures.first ?? "none"
    func needed<Value>(_ value: Value?, _ key: String) throws(ConfigurationError) -> Value {
      guard let value else { throw .missing(key: key) }
      return value
    }
    switch name {
    case "GyroLeNet": architecture = .lenet
    case "GyroResNet":
      architecture = .resnet(
        widths: try needed(record.widths, "widths"),
        blocksPerStage: try needed(record.blocksPerStage, "blocks_per_stage"))
    case "GyroMobileNet":
      architecture = .mobilenet(
        stem: try needed(record.stem, "stem"), blocks: try needed(record.blocks, "blocks"))
    case "GyroMultilayerPerceptron":
      architecture = .perceptron(hidden: try needed(record.hidden, "hidden"))
    default:
      throw .unsupported(
        key: "architectures", value: name, supported: Architecture.names.joined(separator: ", "))
    }
    image = record.image
    classes = record.classes
    try checkExtents()
  }

  private func checkExtents() throws(ConfigurationError) {
    func check(_ key: String, _ extents: [Int]) throws(ConfigurationError) {
      guard extents.count <= 1024 else {
        throw .outOfRange(key: key, value: "a list of \(extents.count)", reason: "it is too long")
      }
      guard extents.allSatisfy({ (1...1_048_576).contains($0) }) else {
        throw .outOfRange(key: key, value: "\(extents)", reason: "extents must be positive")
      }
    }
    guard image.count == 3 else {
      throw .wrongType(key: "image", expected: "[channels, height, width]", got: "\(image)")
    }
    try check("image", image)
    try check("classes", [classes])
    guard image[1] <= 16384, image[2] <= 16384, image.reduce(1, *) <= 1 << 28 else {
      throw .outOfRange(key: "image", value: "\(image)", reason: "no image is so large")
    }
    switch architecture {
    case .lenet: break
    case .resnet(let widths, let blocks):
      try check("widths", widths.isEmpty ? [0] : widths)
      try check("blocks_per_stage", [blocks])
      guard blocks <= 1024 else {
        throw .outOfRange(
          key: "blocks_per_stage", value: "\(blocks)", reason: "no network is so deep")
      }
    case .mobilenet(let stem, let blocks):
      try check("stem", [stem])
      try check("blocks", blocks.flatMap { [$0.width, $0.stride] })
    case .perceptron(let hidden): try check("hidden", hidden)
    }
  }

  /// The object to write as `config.json`.
  package var json: Data {
    var record = Record(architectures: [architecture.name], image: image, classes: classes)
    switch architecture {
    case .lenet: break
    case .resnet(let widths, let blocks):
      record.widths = widths
      record.blocksPerStage = blocks
    case .mobilenet(let stem, let blocks):
      record.stem = stem
      record.blocks = blocks
    case .perceptron(let hidden): record.hidden = hidden
    }
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    // Whole numbers and names cannot fail to encode.
    return try! encoder.encode(record)
  }
}
