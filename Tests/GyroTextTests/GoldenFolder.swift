import Foundation
import GyroText
import Testing

/// A folder with a `tokenizer.json` and what the reference implementation makes of some texts.
struct GoldenFolder: Sendable, CustomTestStringConvertible {
  struct Row: Decodable {
    var text: String
    var ids: [Int32]
    var plainIds: [Int32]
    var decoded: String
    var decodedWithoutSpecials: String

    enum CodingKeys: String, CodingKey {
      case text, ids, decoded
      case plainIds = "ids_plain"
      case decodedWithoutSpecials = "decoded_skip"
    }
  }

  let url: URL

  var testDescription: String { url.lastPathComponent }

  var tokenizer: Tokenizer {
    get throws { try Tokenizer(contentsOf: url) }
  }

  var rows: [Row] {
    get throws {
      let data = try Data(contentsOf: url.appendingPathComponent("expected.json"))
      return try JSONDecoder().decode([Row].self, from: data)
    }
  }

  private static let testFolder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()

  /// The goldens of this repository.
  static let committed = folders(in: testFolder.appendingPathComponent("Goldens"))

  /// Larger goldens, when they lie beside the repository.
  static let shared = folders(
    in: testFolder.appendingPathComponent("../../../shared/tokenizers").standardizedFileURL)

  static func named(_ name: String) -> GoldenFolder {
    GoldenFolder(url: testFolder.appendingPathComponent("Goldens").appendingPathComponent(name))
  }

  private static func folders(in folder: URL) -> [GoldenFolder] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.sorted().map { GoldenFolder(url: folder.appendingPathComponent($0)) }.filter {
      FileManager.default.fileExists(atPath: $0.url.appendingPathComponent("expected.json").path)
    }
  }
}

extension String {
  /// The UTF-8 bytes: strings that are canonically equivalent are equal, their bytes are not.
  var bytes: [UInt8] { Array(utf8) }
}
