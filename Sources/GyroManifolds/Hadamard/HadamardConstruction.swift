extension HadamardTransform.Construction {
  init(_ structure: HadamardStructure) {
    if structure.blocks > 1 {
      self = .blocks(of: structure.blockSize)
    } else if structure.hartley > 1 {
      self = .kronecker(structure.power, structure.hartley)
    } else if structure.cores.isEmpty {
      self = .sylvester
    } else if structure.cores.count > 1 {
      self = .product(cores: structure.cores)
    } else {
      let core = structure.cores[0]
      self =
        HadamardCore.origin(of: core) == .williamson ? .williamson(core: core) : .paley(core: core)
    }
  }
}

extension HadamardStructure {
  /// The structure that a stored construction stands for, or nil if it is not one of this size.
  init?(size: Int, _ construction: HadamardTransform.Construction) {
    self.init(size: size)
    if HadamardTransform.Construction(self) == construction { return }
    guard case .blocks(let block) = construction, block >= 1, size.isMultiple(of: block) else {
      return nil
    }
    self.init(size: block)
    blocks *= size / block
    if blockSize != block { return nil }
  }
}

extension HadamardTransform: CustomStringConvertible {
  /// What is used for this size, and why if it is not a Hadamard matrix of the whole row.
  public var description: String {
    let what: String
    switch construction {
    case .sylvester: what = "Hadamard \(size) (Sylvester)"
    case .paley(let core): what = Self.product(size, [core]) + " (Paley)"
    case .williamson(let core): what = Self.product(size, [core]) + " (Williamson)"
    case .product(let cores): what = Self.product(size, cores)
    case .blocks(let block): what = "\(size) = \(size / block) blocks of \(Self.short(block))"
    case .kronecker: what = Self.short(size)
    }
    return what + (signSeed.map { ", random signs (seed \($0))" } ?? "") + reason
  }

  private static func product(_ size: Int, _ cores: [Int]) -> String {
    let factors = [size / cores.reduce(1, *)].filter { $0 > 1 } + cores
    let product = factors.count > 1 ? " = " + factors.map(String.init).joined(separator: " · ") : ""
    return "Hadamard \(size)\(product)"
  }

  /// A transform of the whole size in a few words.
  private static func short(_ size: Int) -> String {
    let structure = HadamardStructure(size: size)
    if structure.hartley == 1 { return "Hadamard \(size)" }
    let hartley = "Hartley \(structure.hartley)"
    return structure.power == 1
      ? hartley : "\(size) = Hadamard \(structure.power) times \(hartley)"
  }

  /// Why the transform of the whole size is not a Hadamard matrix.
  private var reason: String {
    let power = size & -size, odd = size / power
    switch construction {
    case .sylvester, .paley, .williamson, .product: return ""
    case .blocks, .kronecker:
      if odd == 1 || HadamardStructure(size: size).isHadamard { return "" }
      if power < 4 { return ": the size of a Hadamard matrix is 1, 2 or a multiple of 4" }
      return ": no Hadamard matrix of size \(odd) · 2^k that divides \(size) is known here"
    }
  }
}
