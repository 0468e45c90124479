/// How PolarQuant codes a head's row (2502.02617): rotated, cut into blocks of 16, each block as one
/// Float16 radius and the 8 + 4 + 2 + 1 angles of recursive polar coordinates.
public struct PolarScheme: Sendable, Hashable, Codable, CustomStringConvertible {
  public enum Codebook: Sendable, Hashable, Codable, CustomStringConvertible {
    /// Made for normal coordinates, ahead of time.
    case offline
    /// Learned from the first tokens, which stay floats until there are as many.
    case online(tokens: Int)

    public var description: String {
      switch self {
      case .offline: "offline codebook"
      case .online(let tokens): "codebook of \(tokens) tokens"
      }
    }
  }

  /// Bits of an angle, level by level: 4, 2, 2, 2 for (32 + 8 + 4 + 2 + 16)/16 = 3.875 bits a number.
  public var bits: [Int]
  public var codebook: Codebook
  /// With a rotation coordinates are nearly normal, as the offline codebook wants them.
  public var rotation: CacheRotation

  public init(
    bits: [Int] = [4, 2, 2, 2], codebook: Codebook = .offline,
    rotation: CacheRotation = .orthogonal(seed: 0)
  ) {
    self.bits = bits
    self.codebook = codebook
    self.rotation = rotation
  }

  public var description: String {
    "polar \(bits.map(String.init).joined(separator: "/")) bits, \(codebook), \(rotation)"
  }

  func check(_ shape: CacheShape) throws(CacheError) {
    try shape.requireHeadSize(multipleOf: 16, for: "polar")
    let most = [5, 4, 4, 3]
    guard bits.count == 4, zip(bits, most).allSatisfy({ $0 >= 1 && $0 <= $1 }) else {
      throw .option(
        "bits of polar", expected: "four numbers from 1 to 5, 4, 4 and 3", got: "\(bits)")
    }
    if case .online(let tokens) = codebook, tokens < 1 {
      throw .option("tokens of a polar codebook", expected: "at least 1", got: "\(tokens)")
    }
  }
}
