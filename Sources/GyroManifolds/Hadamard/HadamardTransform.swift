public import GyroTensors

/// An orthogonal transform of rows whose entries all have magnitude 1/√n, or nearly: it spreads an
/// outlier evenly over its row, in n log n operations instead of n².
///
/// ```
/// 4096  = 2¹²                Sylvester's matrix: additions alone
/// 11008 = 172 · 64           a dense core of order 172 times Sylvester's matrix
/// 29568 = 12 · 28 · 44 · 2   several small cores
/// 13696 = 107 · 128          107 blocks of 128: no Hadamard matrix is known here
/// ```
/// With signs the transform is x → x·D·H, D a diagonal of random ±1 (a randomized Hadamard
/// transform); without, x → x·H.
///
/// Laws: `matrix` has orthonormal rows; `applied(to: x)` is x · `matrix`; `transposed` is its inverse.
/// The same bits come out on every instruction set and for every number of threads.
///
/// Sources: Sylvester 1867; Paley 1933; Williamson 1944.
public struct HadamardTransform: Sendable {
  /// What the matrix is made of.
  public enum Construction: Sendable, Hashable, Codable {
    /// A power of two.
    case sylvester
    /// 2ᵏ times a dense core whose signs follow from the squares of a finite field.
    case paley(core: Int)
    /// 2ᵏ times a dense core of four circulant matrices.
    case williamson(core: Int)
    /// 2ᵏ times several dense cores.
    case product(cores: [Int])
    /// Equal blocks of this size on the diagonal: what mixes stays within a block.
    case blocks(of: Int)
    /// Sylvester's matrix of the first size and the discrete Hartley transform of the second, which
    /// is odd: orthogonal, with entries below √(2/n) instead of ±1/√n.
    case kronecker(Int, Int)
  }

  /// The length of a row.
  public let size: Int
  /// What the matrix is made of.
  public let construction: Construction
  /// The seed of the random signs; nil for none.
  public let signSeed: UInt64?

  let plan: HadamardPlan

  /// The best known transform of a size: the Hadamard matrix whose cores are smallest; where none is
  /// known, blocks of the largest power of two that divides the size if that is at least 32; else a
  /// Hartley transform of the odd part. It exists for every size from 1 on.
  ///
  /// - Parameter signSeed: the seed of random signs in front of the transform; nil for none.
  public init(size: Int, signSeed: UInt64? = nil) {
    precondition(size >= 1, "HadamardTransform: the size must be at least 1, not \(size)")
    self.init(size, HadamardStructure(size: size), signSeed)
  }

  /// Equal blocks on the diagonal, each the best known transform of its size.
  ///
  /// - Parameters:
  ///   - blocks: how many; they must divide the size.
  ///   - signSeed: the seed of random signs in front of the transform; nil for none.
  /// - Throws: `HadamardError.blocks`.
  public init(size: Int, blocks: Int, signSeed: UInt64? = nil) throws(HadamardError) {
    precondition(size >= 1, "HadamardTransform: the size must be at least 1, not \(size)")
    guard blocks >= 1, size.isMultiple(of: blocks) else {
      throw .blocks(size: size, blocks: blocks)
    }
    var structure = HadamardStructure(size: size / blocks)
    structure.blocks *= blocks
    self.init(size, structure, signSeed)
  }

  private init(_ size: Int, _ structure: HadamardStructure, _ signSeed: UInt64?) {
    self.size = size
    self.signSeed = signSeed
    construction = Construction(structure)
    plan = HadamardPlan(structure, signSeed: signSeed)
  }

  /// The rows of a tensor transformed: x · M, or x · Mᵀ.
  ///
  /// - Parameters:
  ///   - x: `[..., size]`.
  ///   - transposed: the inverse transform.
  /// - Returns: a tensor of the same shape.
  public func applied(to x: Tensor, transposed: Bool = false) -> Tensor {
    check(x.shape)
    return x.withElements { source in
      Tensor.filled(x.shape) {
        plan.transform(source, $0, rows: x.shape.rows, transposed: transposed)
      }
    }
  }

  /// Transforms the rows of `[..., size]` in place.
  public func apply(_ x: inout Tensor, transposed: Bool = false) {
    check(x.shape)
    let rows = x.shape.rows
    x.withMutableElements { plan.transform($0, $0, rows: rows, transposed: transposed) }
  }

  private func check(_ shape: Shape) {
    precondition(
      shape.rank >= 1 && shape.columns == size,
      "Hadamard transform of size \(size): the rows of \(shape) have another length")
  }

  /// M itself, `size` × `size`, exact to the last bits of Float64.
  public var matrix: Matrix64 { plan.matrix }
}

extension HadamardTransform: Hashable {
  public static func == (a: HadamardTransform, b: HadamardTransform) -> Bool {
    a.size == b.size && a.construction == b.construction && a.signSeed == b.signSeed
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(size)
    hasher.combine(construction)
    hasher.combine(signSeed)
  }
}

extension HadamardTransform: Codable {
  private enum CodingKeys: String, CodingKey { case size, construction, signSeed }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let size = try container.decode(Int.self, forKey: .size)
    let construction = try container.decode(Construction.self, forKey: .construction)
    let signSeed = try container.decodeIfPresent(UInt64.self, forKey: .signSeed)
    func invalid(_ text: String) -> DecodingError {
      .dataCorruptedError(forKey: .construction, in: container, debugDescription: text)
    }
    guard size >= 1 else { throw invalid("a Hadamard transform has no size \(size)") }
    guard let structure = HadamardStructure(size: size, construction) else {
      throw invalid("no Hadamard transform of size \(size) is made of \(construction)")
    }
    self.init(size, structure, signSeed)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(size, forKey: .size)
    try container.encode(construction, forKey: .construction)
    try container.encodeIfPresent(signSeed, forKey: .signSeed)
  }
}
