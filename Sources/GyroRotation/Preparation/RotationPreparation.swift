public import GyroModels
import GyroTensors

/// What makes a Llama ready for rotations (SpinQuant, 2405.16406, §3.1), without changing what it
/// computes: an output projection of its own, and normalizations without gains.
///
/// A normalization by the root mean square commutes with any rotation once its gains are folded into
/// the matrices that read it. Nothing is centred: that belongs to normalizations that subtract the
/// mean, and would change this model.
public enum RotationPreparation {
  /// Unties, then folds. A model that is ready comes back as it is, bit for bit.
  ///
  /// Computed in Float64 and rounded once. Norms of queries and keys stay: they lie inside the heads,
  /// where no rotation of the residual stream passes.
  ///
  /// - Throws: `RotationError.missing`, `.shape`, `.quantized`, `.notFinite`.
  public static func prepared(
    _ configuration: LlamaConfiguration, _ parameters: ParameterStore
  ) throws(RotationError) -> (configuration: LlamaConfiguration, parameters: ParameterStore) {
    let (configuration, parameters) = try untied(configuration, parameters)
    return (configuration, try folded(parameters, configuration))
  }

  /// Gives `lm_head` a copy of the embedding's table, if it shares it.
  /// - Throws: `RotationError.missing`, `.quantized`.
  public static func untied(
    _ configuration: LlamaConfiguration, _ parameters: ParameterStore
  ) throws(RotationError) -> (configuration: LlamaConfiguration, parameters: ParameterStore) {
    guard configuration.tiedEmbeddings else { return (configuration, parameters) }
    let table = LlamaPlace.embedding.path
    guard parameters.contains(table) else { throw .missing(table) }
    guard parameters[table].encoded == nil else { throw .quantized(table) }
    var untied = configuration
    untied.tiedEmbeddings = false
    return (untied, parameters.untied())
  }

  /// Moves the gains of the residual stream's normalizations into the matrices that read them,
  /// `W · diagonal(γ)`: of the first into q, k, v, of the second into gate, up, of the last into
  /// `lm_head`. The gains become ones.
  ///
  /// - Throws: `RotationError.tied` when the last norm has gains and `lm_head` is not its only
  ///   reader; `.missing`, `.shape`, `.quantized`, `.notFinite`.
  public static func folded(
    _ parameters: ParameterStore, _ configuration: LlamaConfiguration
  ) throws(RotationError) -> ParameterStore {
    var result = parameters
    for place in configuration.places where place.isResidualNorm {
      let gain = try parameters.matrix(at: place, configuration)
      guard gain.elements.contains(where: { $0 != 1 }) else { continue }
      if place == .lastNorm, configuration.tiedEmbeddings { throw .tied(placement: "folding") }
      for reader in configuration.places where reader.norm == place {
        let weight = try parameters.matrix(at: reader, configuration)
        result.set(weight.scalingColumns(by: gain.elements), at: reader)
      }
      result.set(.ones(columns: gain.columns), at: place)
    }
    return result
  }
}

extension LlamaWeights64 {
  /// The same in Float64, see ``RotationPreparation``.
  /// - Throws: nothing that construction did not throw before.
  public func prepared() -> LlamaWeights64 {
    var result = self
    if configuration.tiedEmbeddings {
      result.configuration.tiedEmbeddings = false
      result[LlamaPlace.head] = self[LlamaPlace.embedding]
    }
    let places = result.configuration.places
    for place in places where place.isResidualNorm {
      let gain = self[place]
      for reader in places where reader.norm == place {
        result[reader] = result[reader].scalingColumns(by: gain.elements)
      }
      result[place] = .ones(columns: gain.columns)
    }
    return result
  }
}

extension ParameterStore {
  /// The same tensors and sites in the same order, and last a copy of the embedding's table.
  func untied() -> ParameterStore {
    var result = self
    result.declare(LlamaPlace.head.path, self[LlamaPlace.embedding.path], kind: .linear)
    return result
  }
}

extension Matrix64 {
  static func ones(columns: Int) -> Matrix64 {
    Matrix64(rows: 1, columns: columns, elements: .init(repeating: 1, count: columns))
  }

  /// Each column times its factor.
  func scalingColumns(by factors: [Double]) -> Matrix64 {
    scaling { row, column in factors[column] }
  }

  /// Each row times its factor.
  func scalingRows(by factors: [Double]) -> Matrix64 { scaling { row, column in factors[row] } }

  private func scaling(_ factor: (_ row: Int, _ column: Int) -> Double) -> Matrix64 {
    var result = self
    result.elements.withUnsafeMutableBufferPointer { elements in
      for row in 0..<rows {
        for column in 0..<columns { elements[row * columns + column] *= factor(row, column) }
      }
    }
    return result
  }
}
