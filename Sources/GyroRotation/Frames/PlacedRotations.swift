import GyroManifolds
import GyroModels
import GyroQuantization
import GyroTensors

/// Known rotations in Float64 with the table of where they stand: merges them into weights, and takes
/// them out of activations.
struct PlacedRotations {
  private let frames: LlamaFrames
  /// By path; the factors of a scaling pair are one row.
  private var matrices: [ParameterPath: Matrix64] = [:]
  /// R4 as a matrix, made once.
  private let feedForward: Matrix64?

  init(_ rotations: LlamaRotations, _ configuration: LlamaConfiguration) {
    var placements: Set<RotationRule.Placement> = []
    var transforms: [ParameterPath: HadamardTransform] = [:]
    if let residual = rotations.residual {
      placements.insert(.residual)
      matrices[RotationPaths.residual] = residual
    }
    if let values = rotations.values {
      placements.insert(.values)
      for (layer, value) in values.enumerated() { matrices[RotationPaths.values(layer)] = value }
    }
    let pairs = rotations.scalings?.pairs ?? []
    for pair in pairs {
      for (layer, row) in (rotations.scalings?[pair] ?? []).enumerated() {
        matrices[RotationPaths.scaling(pair, layer)] = Matrix64(
          rows: 1, columns: row.count, elements: row)
      }
    }
    if let transform = rotations.feedForward {
      for layer in 0..<configuration.layers {
        transforms[LlamaFrames.feedForwardSite(layer)] = transform
      }
    }
    feedForward = rotations.feedForward?.matrix
    frames = LlamaFrames(configuration, placements, scalings: pairs, transforms: transforms)
  }

  /// A merged weight; a function of the weight and its path alone, so that every weight is rounded
  /// once however many rotations meet in it.
  /// - Returns: nil where nothing changes.
  func merged(_ weight: Matrix64, at path: ParameterPath) -> Matrix64? {
    guard let sides = frames.tensors[path] else { return nil }
    return sides.reduce(weight) { weight, side in
      let rows = side.factors.reduce(side.isRows ? weight.transposed() : weight) { rows, factor in
        factor.applied(to: rows, matrix(of: factor))
      }
      return side.isRows ? rows.transposed() : rows
    }
  }

  /// An activation `[tokens, width]` of a model with the rotations merged, as the model without them
  /// has it.
  func undone(_ value: Matrix64, at site: ParameterPath) -> Matrix64 {
    frames.sites[site, default: []].reversed().reduce(value) { value, factor in
      factor.removed(from: value, matrix(of: factor))
    }
  }

  private func matrix(of factor: FrameFactor) -> Matrix64 {
    factor.path.map { matrices[$0]! } ?? feedForward!
  }
}

extension FrameFactor {
  /// `x · F` in Float64, with the matrix of a rotation or transform, or the factors of a scaling pair
  /// as one row.
  fileprivate func applied(to x: Matrix64, _ matrix: Matrix64) -> Matrix64 {
    switch self {
    case .rotation, .hadamard: x.multiplyingBlocks(by: matrix)
    case .scaling(_, let places, let isInverse):
      x.scalingColumns(by: Self.spread(matrix, places, isInverse: isInverse))
    }
  }

  /// `x · F⁻¹`.
  fileprivate func removed(from x: Matrix64, _ matrix: Matrix64) -> Matrix64 {
    switch self {
    case .rotation, .hadamard: x.multiplyingBlocks(by: matrix.transposed())
    case .scaling(_, let places, let isInverse):
      x.scalingColumns(by: Self.spread(matrix, places, isInverse: !isInverse))
    }
  }

  private static func spread(_ row: Matrix64, _ places: [Int32], isInverse: Bool) -> [Double] {
    places.map { isInverse ? 1 / row.elements[Int($0)] : row.elements[Int($0)] }
  }
}

extension Matrix64 {
  /// `W_b · R` for each block `W_b` of as many columns as `R` has rows.
  fileprivate func multiplyingBlocks(by rotation: Matrix64) -> Matrix64 {
    // Row-major, so the blocks of a row are rows of a matrix [rows · blocks, size].
    let size = rotation.rows
    let parts = Matrix64(rows: rows * columns / size, columns: size, elements: elements)
    return Matrix64(rows: rows, columns: columns, elements: parts.matmul(rotation).elements)
  }
}
