public import GyroModels
public import GyroTensors

/// The weights of a Llama in Float64, for chains of transforms that are rounded once, at the end.
public struct LlamaWeights64: Sendable {
  public internal(set) var configuration: LlamaConfiguration
  private var matrices: [LlamaPlace: Matrix64] = [:]
  private let origin: ParameterStore

  /// - Throws: `RotationError.missing`, `.shape`, `.quantized`, `.notFinite`.
  public init(
    _ configuration: LlamaConfiguration, _ parameters: ParameterStore
  ) throws(RotationError) {
    self.configuration = configuration
    origin = parameters
    for place in configuration.places {
      matrices[place] = try parameters.matrix(at: place, configuration)
    }
  }

  /// A weight `[out, in]`; a gain or an offset is one row. nil when the model has none there.
  public subscript(path: ParameterPath) -> Matrix64? {
    matrices.first { $0.key.path == path }?.value
  }

  subscript(place: LlamaPlace) -> Matrix64 {
    get {
      guard let matrix = matrices[place] else {
        preconditionFailure("LlamaWeights64: nothing is kept at \(place.path)")
      }
      return matrix
    }
    set { matrices[place] = newValue }
  }

  /// Everything rounded to Float32, in a store with the sites and the other tensors of the one it
  /// was read from.
  public func rounded() -> (configuration: LlamaConfiguration, parameters: ParameterStore) {
    let untying = configuration.tiedEmbeddings != !origin.contains(LlamaPlace.head.path)
    var store = untying ? origin.untied() : origin
    for (place, matrix) in matrices { store.set(matrix, at: place) }
    return (configuration, store)
  }
}
