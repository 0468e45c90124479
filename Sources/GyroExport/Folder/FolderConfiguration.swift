import Foundation
import GyroCheckpoints

/// A quick look at the `config.json` of a folder.
struct FolderConfiguration {
  let object: [String: Any]
  let data: Data

  /// nil when there is none, or it is no JSON object.
  init?(_ directory: URL) {
    guard let data = try? Data(contentsOf: directory.appendingPathComponent("config.json")),
      let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
    else { return nil }
    self.data = data
    self.object = object
  }

  /// The layout that this project's exporters put into the file; nil for others' folders and for
  /// checkpoints of our own.
  var layout: String? { (object["gyro"] as? [String: Any])?["layout"] as? String }

  /// Whether there is a scheme of ours.
  var hasScheme: Bool { object["gyro"] != nil }

  /// Whether the folder has weights in safetensors files.
  static func hasWeights(_ directory: URL) -> Bool {
    ["model.safetensors", SafetensorsIndex.fileName].contains {
      FileManager.default.fileExists(atPath: directory.appendingPathComponent($0).path)
    }
  }
}
