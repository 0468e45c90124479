import GyroModels
import GyroTensors

/// What merging does to each weight: a function of the weight and its place alone, so that every
/// weight is rounded once however many rotations meet in it.
struct RotationMerge {
  let rotations: LlamaRotations
  let configuration: LlamaConfiguration
  /// R4 as a matrix, made once.
  private let feedForward: Matrix64?

  init(_ rotations: LlamaRotations, _ configuration: LlamaConfiguration) {
    self.rotations = rotations
    self.configuration = configuration
    feedForward = rotations.feedForward?.matrix
  }

  /// The merged weight; nil where nothing changes.
  func merged(_ weight: Matrix64, at place: LlamaPlace) -> Matrix64? {
    switch place {
    case .embedding, .head: rotations.residual.map { weight.matmul($0) }
    case .lastNorm: nil
    case .layer(let layer, let part): merged(weight, layer, part)
    }
  }

  private func merged(_ weight: Matrix64, _ layer: Int, _ part: LlamaPlace.Part) -> Matrix64? {
    let scalings = rotations.scalings
    var result = weight
    switch part {
    case .inputNorm: return (scalings?.attentionInputs?[layer]).map(weight.scalingColumns)
    case .postNorm: return (scalings?.feedForwardInputs?[layer]).map(weight.scalingColumns)
    case .query, .key, .value:
      read(&result, dividedBy: scalings?.attentionInputs?[layer])
      turnHeads(&result, layer, part)
    case .queryBias, .keyBias, .valueBias:
      result = result.transposed()
      turnHeads(&result, layer, part)
      result = result.transposed()
    case .queryNorm, .keyNorm:
      guard let pairs = scalings?.keys?[layer] else { return nil }
      let factors = configuration.elementFactors(ofPairs: pairs)
      result = result.scalingColumns(by: part == .keyNorm ? factors : factors.map { 1 / $0 })
    case .output:
      if let factors = scalings?.values?[layer] {
        result = result.scalingColumns(by: configuration.queryFactors(factors).map { 1 / $0 })
      }
      if let rotation = rotations.values?[layer] {
        result = result.rotatingColumnBlocks(by: rotation)
      }
      write(&result)
    case .gate: read(&result, dividedBy: scalings?.feedForwardInputs?[layer])
    case .up:
      read(&result, dividedBy: scalings?.feedForwardInputs?[layer])
      if let factors = scalings?.feedForward?[layer] { result = result.scalingRows(by: factors) }
    case .upBias:
      guard let factors = scalings?.feedForward?[layer] else { return nil }
      result = result.scalingColumns(by: factors)
    case .gateBias: return nil
    case .down:
      if let factors = scalings?.feedForward?[layer] {
        result = result.scalingColumns(by: factors.map { 1 / $0 })
      }
      if let feedForward { result = result.matmul(feedForward) }
      write(&result)
    case .outputBias, .downBias:
      guard let residual = rotations.residual else { return nil }
      result = result.matmul(residual)
    }
    return result
  }

  /// A matrix that reads the residual stream through a normalization.
  private func read(_ weight: inout Matrix64, dividedBy factors: [Double]?) {
    if let residual = rotations.residual { weight = weight.matmul(residual) }
    if let factors { weight = weight.scalingColumns(by: factors.map { 1 / $0 }) }
  }

  /// A matrix that writes to the residual stream.
  private func write(_ weight: inout Matrix64) {
    guard let residual = rotations.residual else { return }
    weight = residual.matmul(weight, transposingSelf: true)
  }

  /// The rows of q, k or v, head by head: factors first, then R2 on values.
  private func turnHeads(_ weight: inout Matrix64, _ layer: Int, _ part: LlamaPlace.Part) {
    let scalings = rotations.scalings
    switch part {
    case .value, .valueBias:
      if let factors = scalings?.values?[layer] { weight = weight.scalingRows(by: factors) }
      if let rotation = rotations.values?[layer] {
        weight = weight.rotatingRowBlocks(by: rotation)
      }
    case .key, .keyBias:
      guard !configuration.queryKeyNorm, let pairs = scalings?.keys?[layer] else { return }
      weight = weight.scalingRows(by: configuration.elementFactors(ofPairs: pairs))
    case .query, .queryBias:
      guard !configuration.queryKeyNorm, let pairs = scalings?.keys?[layer] else { return }
      weight = weight.scalingRows(
        by: configuration.queryFactors(configuration.elementFactors(ofPairs: pairs)).map { 1 / $0 })
    default: return
    }
  }
}

extension Matrix64 {
  /// `W_b · R` for each block `W_b` of as many columns as `R` has rows.
  func rotatingColumnBlocks(by rotation: Matrix64) -> Matrix64 {
    // Row-major, so the blocks of a row are rows of a matrix [rows · blocks, size].
    let size = rotation.rows
    let parts = Matrix64(rows: rows * columns / size, columns: size, elements: elements)
    return Matrix64(rows: rows, columns: columns, elements: parts.matmul(rotation).elements)
  }

  /// `Rᵀ · W_b` for each block `W_b` of as many rows as `R` has.
  func rotatingRowBlocks(by rotation: Matrix64) -> Matrix64 {
    let size = rotation.rows
    var result: [Double] = []
    result.reserveCapacity(elements.count)
    for start in stride(from: 0, to: rows, by: size) {
      let block = Matrix64(
        rows: size, columns: columns,
        elements: Array(elements[start * columns..<(start + size) * columns]))
      result += rotation.matmul(block, transposingSelf: true).elements
    }
    return Matrix64(rows: rows, columns: columns, elements: result)
  }
}
