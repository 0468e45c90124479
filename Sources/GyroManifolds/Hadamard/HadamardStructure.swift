/// What a transform is made of: `blocks` equal blocks on the diagonal, each the Kronecker product of
/// dense cores, of a discrete Hartley transform, and of Sylvester's matrix of size `power`, in this
/// order. Every factor has orthogonal rows and no entry beyond √2 in magnitude.
struct HadamardStructure {
  var blocks = 1
  var cores: [Int] = []
  /// The length of the discrete Hartley transform; 1 for none.
  var hartley = 1
  var power = 1

  /// Whether all entries have the same magnitude.
  var isHadamard: Bool { blocks == 1 && hartley == 1 }

  /// Size of a block.
  var blockSize: Int { cores.reduce(hartley * power, *) }

  /// The best known structure: a Hadamard matrix with the least work in its cores; where none is
  /// known, blocks of a power of two that is large enough to spread an outlier, or else a Hartley
  /// transform of the odd part.
  init(size: Int) {
    if let whole = Self.whole(size) {
      self = whole
      return
    }
    power = size & -size
    if power >= Self.leastBlock { blocks = size / power } else { hartley = size / power }
  }

  /// Blocks below this size spread too little.
  static let leastBlock = 32

  private init(cores: [Int], power: Int) {
    self.cores = cores
    self.power = power
  }

  /// A Hadamard matrix of the whole size, or nil.
  private static func whole(_ size: Int) -> HadamardStructure? {
    let power = size & -size
    if power == size { return HadamardStructure(cores: [], power: size) }
    guard let cores = cores(odd: size / power, power: power, atLeast: 3) else { return nil }
    return HadamardStructure(cores: cores, power: size / cores.reduce(1, *))
  }

  /// Additions for each element, as far as cores need them: a fourth of the order, and seven for
  /// passing over the row once more. In units of a fourth.
  private static func work(_ cores: [Int]) -> Int { cores.reduce(28 * cores.count, +) }

  /// The orders of least work whose product is `odd` times a divisor of `power`; each order belongs
  /// to a divisor of the odd part, and those divisors ascend.
  private static func cores(odd: Int, power: Int, atLeast least: Int) -> [Int]? {
    if odd == 1 { return [] }
    var best: [Int]?
    for divisor in stride(from: least, through: odd, by: 2) where odd.isMultiple(of: divisor) {
      var order = 4 * divisor
      while order <= divisor * power, order <= HadamardCore.largestOrder {
        defer { order *= 2 }
        guard HadamardCore.origin(of: order) != nil else { continue }
        let rest = cores(
          odd: odd / divisor, power: power / (order / divisor), atLeast: divisor)
        guard let rest else { continue }
        let candidate = [order] + rest
        if best == nil || work(candidate) < work(best!) { best = candidate }
      }
    }
    return best
  }
}
