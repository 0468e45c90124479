import Foundation
import GyroQuantization

/// The scheme under `gyro` in a checkpoint's `config.json`, for reports; loading a model checks it.
enum SchemeReader {
  static func scheme(of folder: URL) -> QuantizationScheme? {
    struct Config: Decodable {
      struct Record: Decodable { let scheme: QuantizationScheme }
      let gyro: Record?
    }
    guard let data = FileManager.default.contents(atPath: folder.appending(path: "config.json").path)
    else { return nil }
    return try? JSONDecoder().decode(Config.self, from: data).gyro?.scheme
  }
}
