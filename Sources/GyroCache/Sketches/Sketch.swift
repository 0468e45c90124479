import GyroManifolds
public import GyroTensors

/// A random projection S of heads to `rows` numbers, a function of kind, extents and seed.
///
/// One sketch serves all heads and layers; copies share its storage.
public struct Sketch: Sendable {
  public let kind: SketchKind
  public let rows: Int
  /// The size of a head.
  public let columns: Int
  public let seed: UInt64
  /// Sᵀ, `[columns, rows]`: x · Sᵀ is a plain product, and a row is what one channel contributes.
  public let transposed: Tensor

  /// The most rows that the kernels take.
  public static let rowsLimit = 4096

  /// - Parameter name: What the sketch is for, in errors.
  /// - Throws: `CacheError.sketchLength` unless `rows` is a positive multiple of 64, and
  ///   `CacheError.option` above `rowsLimit`.
  public init(
    _ kind: SketchKind, rows: Int, columns: Int, seed: UInt64, name: String = "sketch"
  ) throws(CacheError) {
    guard rows >= 64, rows.isMultiple(of: 64) else { throw .sketchLength(rows, of: name) }
    guard rows <= Self.rowsLimit else {
      throw .option(name, expected: "at most \(Self.rowsLimit) rows", got: "\(rows)")
    }
    self.kind = kind
    self.rows = rows
    self.columns = columns
    self.seed = seed
    transposed = Self.matrix(kind, rows: rows, columns: columns, seed: seed).transposed().tensor
  }

  private static func matrix(
    _ kind: SketchKind, rows: Int, columns: Int, seed: UInt64
  ) -> Matrix64 {
    switch kind {
    case .gaussian: return RandomMatrix.gaussian(rows: rows, columns: columns, seed: seed)
    case .orthogonal:
      return RandomMatrix.orthogonalizedRows(rows: rows, columns: columns, seed: seed)
    case .hadamard:
      var elements: [Double] = []
      var seeds = RandomStream(seed: seed).derived("hadamard sketch")
      while elements.count < rows * columns {
        var block = RandomMatrix.randomizedHadamard(columns, seed: seeds.next())
        for _ in 0..<2 {
          block = block.matmul(RandomMatrix.randomizedHadamard(columns, seed: seeds.next()))
        }
        elements += block.transposed().elements.map { $0 * Double(columns).squareRoot() }
      }
      return Matrix64(
        rows: rows, columns: columns, elements: Array(elements.prefix(rows * columns)))
    }
  }

  /// x · Sᵀ along the last axis: `[..., rows]` for `[..., columns]`.
  public func projected(_ x: Tensor) -> Tensor { x.matmul(transposed) }

  /// What it is, as a key of `CacheBytes.shared`.
  public var name: String { Self.name(kind, rows, columns, seed) }

  static func name(_ kind: SketchKind, _ rows: Int, _ columns: Int, _ seed: UInt64) -> String {
    "sketch \(kind.rawValue) \(rows)×\(columns) seed \(seed)"
  }

  /// Bytes it occupies.
  public var byteCount: Int { transposed.count * MemoryLayout<Float>.stride }
}
