import GyroModels
import GyroTensors

/// The keys of `config.json` that tell mlx-lm which layers have codes, and which.
enum MLXConfiguration {
  /// `quantization`, and the same as `quantization_config` for those who look there; nothing when no
  /// layer has codes. The commonest code stands on top, others and plain layers under their names.
  static func keys(
    _ coded: [MLXWeight], _ plain: [ParameterPath], _ parameters: ParameterStore
  ) -> [String: Any] {
    var counts: [(code: MLXCode, count: Int)] = []
    for weight in coded {
      if let place = counts.firstIndex(where: { $0.code == weight.code }) {
        counts[place].count += 1
      } else {
        counts.append((weight.code, 1))
      }
    }
    guard let most = counts.map(\.count).max(),
      let common = counts.first(where: { $0.count == most })?.code
    else { return [:] }
    var record = common.record
    for weight in coded where weight.code != common { record[weight.module] = weight.code.record }
    for path in plain where parameters.parameter(at: path)?.kind != .normalization {
      guard path.name.hasSuffix(".weight") else { continue }
      record[String(path.name.dropLast(".weight".count))] = false
    }
    return ["quantization": record, "quantization_config": record]
  }
}
