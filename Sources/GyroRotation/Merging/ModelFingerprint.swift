public import GyroModels
import GyroTensors

/// Tells models apart: rotations fit only the one they were learned on.
public enum ModelFingerprint {
  /// Sixteen hexadecimal digits that follow from the shape of a model and all its weights after
  /// ``RotationPreparation``: a model and its prepared form have the same.
  ///
  /// - Throws: `RotationError.missing`, `.shape`, `.quantized`, `.notFinite`.
  public static func of(
    _ configuration: LlamaConfiguration, _ parameters: ParameterStore
  ) throws(RotationError) -> String {
    let (configuration, parameters) = try RotationPreparation.prepared(configuration, parameters)
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a, over words where there are many
    func add(_ word: UInt64) { hash = (hash ^ word) &* 0x100_0000_01b3 }
    let shape = [
      configuration.vocabulary, configuration.hidden, configuration.feedForward,
      configuration.layers, configuration.heads, configuration.keyValueHeads,
      configuration.headSize,
    ]
    for extent in shape { add(UInt64(extent)) }
    add(UInt64(configuration.normEpsilon.bitPattern))
    add(configuration.rotaryBase.bitPattern)
    for byte in "\(configuration.rotaryScaling)".utf8 { add(UInt64(byte)) }
    for place in configuration.places {
      for byte in place.path.name.utf8 { add(UInt64(byte)) }
      let value = parameters[place.path]
      value.withElements { elements in
        for index in 0..<value.count {
          add(UInt64(elements[index].bitPattern))
          hash ^= hash >> 29  // High bits count only if they reach low ones.
        }
      }
    }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
