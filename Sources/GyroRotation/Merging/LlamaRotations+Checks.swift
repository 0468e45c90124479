import GyroManifolds
public import GyroModels
import GyroTensors

extension LlamaRotations {
  /// How far a matrix may be from orthogonal, in the largest element of `RᵀR − I` and `RRᵀ − I`.
  public static let orthogonalityTolerance = 1e-4

  /// Makes sure that every rotation and every factor has its place in the model.
  /// - Throws: `RotationError.illegal`, `.tied`, `.size`, `.notOrthogonal`, `.notFinite`, `.factor`.
  public func check(against configuration: LlamaConfiguration) throws(RotationError) {
    if let residual {
      if configuration.tiedEmbeddings { throw .tied(placement: "R1") }
      try Self.check(residual, "R1", size: configuration.hidden)
    }
    if let values {
      try Self.check(count: values.count, "R2", "matrices", configuration)
      for (layer, rotation) in values.enumerated() {
        try Self.check(rotation, "R2 of layer \(layer)", size: configuration.headSize)
      }
    }
    if let keys {
      guard configuration.headSize.isMultiple(of: 2) else {
        throw .illegal(
          placement: "R3", reason: "a head of \(configuration.headSize) has no rotary pairs",
          advice: "leave out r3, or use a model with an even head size")
      }
      guard keys.size == configuration.headSize else {
        throw .size(
          placement: "R3", expected: "a transform of \(configuration.headSize), the head size",
          got: "\(keys.size)")
      }
    }
    if let feedForward, feedForward.size != configuration.feedForward {
      throw .size(
        placement: "R4",
        expected: "a transform of \(configuration.feedForward), the width of down_proj's input",
        got: "\(feedForward.size)")
    }
    try scalings?.check(against: configuration)
  }

  /// Makes sure that R1, if there is one, passes no normalization with gains.
  func checkGains(
    _ parameters: ParameterStore, _ configuration: LlamaConfiguration
  ) throws(RotationError) {
    try checkGains(in: configuration) { (place) throws(RotationError) in
      try parameters.matrix(at: place, configuration)
    }
  }

  func checkGains(
    in configuration: LlamaConfiguration, _ gains: (LlamaPlace) throws(RotationError) -> Matrix64
  ) throws(RotationError) {
    guard residual != nil else { return }
    for place in configuration.places where place.isResidualNorm {
      let gains = try gains(place).elements
      if let channel = gains.firstIndex(where: { $0 != 1 }) {
        throw .gains(
          placement: "R1", path: place.path, channel: channel, gain: Float(gains[channel]))
      }
    }
  }

  static func check(
    count: Int, _ name: String, _ what: String, _ configuration: LlamaConfiguration
  ) throws(RotationError) {
    guard count == configuration.layers else {
      throw .size(
        placement: name, expected: "\(configuration.layers) \(what), one per layer",
        got: "\(count)")
    }
  }

  private static func check(
    _ matrix: Matrix64, _ name: String, size: Int
  ) throws(RotationError) {
    guard matrix.rows == size, matrix.columns == size else {
      throw .size(
        placement: name, expected: "\(size)×\(size)", got: "\(matrix.rows)×\(matrix.columns)")
    }
    try matrix.checkFinite(name)
    let identity = Matrix64.identity(size)
    let departure = max(
      (matrix.matmul(matrix, transposingSelf: true) - identity).largestMagnitude,
      (matrix.matmul(matrix, transposingOther: true) - identity).largestMagnitude)
    guard departure <= orthogonalityTolerance else {
      throw .notOrthogonal(
        placement: name, departure: departure, allowed: orthogonalityTolerance)
    }
  }
}

extension LlamaScalings {
  func check(against configuration: LlamaConfiguration) throws(RotationError) {
    for pair in ScalingPair.allCases {
      if let factors = self[pair] { try Self.check(factors, of: pair, configuration) }
    }
  }

  private static func check(
    _ factors: [[Double]], of pair: ScalingPair, _ configuration: LlamaConfiguration
  ) throws(RotationError) {
    let (name, count) = (pair.description, pair.count(in: configuration))
    let what =
      switch (pair, configuration.queryKeyNorm) {
      case (.keys, true):
        " (one per rotary pair, shared by the heads because queries and keys are normalized)"
      case (.keys, false):
        " (\(configuration.keyValueHeads) heads of \(configuration.headSize / 2) rotary pairs)"
      default: ""
      }
    try LlamaRotations.check(count: factors.count, name, "arrays", configuration)
    for (layer, row) in factors.enumerated() {
      guard row.count == count else {
        throw .size(
          placement: "\(name), layer \(layer),", expected: "\(count) factors\(what)",
          got: "\(row.count)")
      }
      for (index, value) in row.enumerated() {
        guard value.isFinite else { throw .notFinite(what: name, row: layer, column: index) }
        guard value > 0 else {
          throw .factor(placement: name, layer: layer, index: index, value: value)
        }
      }
    }
  }
}
