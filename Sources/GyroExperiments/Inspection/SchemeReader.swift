import Foundation
import GyroQuantization

/// The scheme under `gyro` in a checkpoint's `config.json`, for reports; loading a model checks it.
enum SchemeReader {
  static func scheme(of folder: URL) -> QuantizationScheme? {
    struct Config: Decodable {
      struct Record: Decodable { let scheme: QuantizationScheme }
      let gyro: Record?
    }
    let file = folder.appending(path: "config.json")
    guard let data = FileManager.default.contents(atPath: file.path) else { return nil }
    return try? JSONDecoder().decode(Config.self, from: data).gyro?.scheme
  }
}
