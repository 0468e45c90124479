/// A dense Hadamard matrix: entries ±1, rows orthogonal.
struct HadamardCore: Sendable {
  /// Where its entries come from.
  enum Origin: Sendable, Equatable {
    /// From the squares of GF(m − 1) (Paley 1933, type I).
    case paleyOne
    /// From the squares of GF(m/2 − 1) (Paley 1933, type II).
    case paleyTwo
    /// Four symmetric circulant matrices of order m/4 (Williamson 1944).
    case williamson
  }

  /// Larger ones are not used: the work for each element grows with the order.
  static let largestOrder = 2048

  let order: Int
  let origin: Origin
  /// ±1, row-major.
  let entries: [Int8]

  /// - Returns: nil when none of the constructions reaches `order`.
  init?(order: Int) {
    guard let origin = Self.origin(of: order) else { return nil }
    self.order = order
    self.origin = origin
    switch origin {
    case .paleyOne: entries = Self.paleyOne(FiniteField(order: order - 1)!)
    case .paleyTwo: entries = Self.paleyTwo(FiniteField(order: order / 2 - 1)!)
    case .williamson: entries = Self.williamson(WilliamsonSequences.symmetric(order: order / 4)!)
    }
  }

  /// The construction that reaches `order`, or nil.
  static func origin(of order: Int) -> Origin? {
    guard order >= 4, order.isMultiple(of: 4), order <= largestOrder else { return nil }
    if FiniteField.primePower(order - 1) != nil { return .paleyOne }
    if order % 8 == 4, FiniteField.primePower(order / 2 - 1) != nil { return .paleyTwo }
    return WilliamsonSequences.symmetric(order: order / 4) == nil ? nil : .williamson
  }

  /// The signs as the kernel reads them: for each output and each group of four inputs, eight times
  /// the number whose bit j says that the group's input j enters negated.
  func codes(transposed: Bool) -> [UInt8] {
    var codes = [UInt8](repeating: 0, count: order * order / 4)
    for row in 0..<order {
      for column in 0..<order where entries[row * order + column] < 0 {
        let (input, output) = transposed ? (column, row) : (row, column)
        codes[output * order / 4 + input / 4] |= 8 << UInt8(input % 4)
      }
    }
    return codes
  }

  /// I + S, where S borders the matrix χ(a − b), which is skew because −1 is no square, with ones.
  private static func paleyOne(_ field: FiniteField) -> [Int8] {
    let order = field.order + 1
    var entries = [Int8](repeating: 1, count: order * order)
    for row in 1..<order {
      entries[row * order] = -1
      for column in 1..<order {
        entries[row * order + column] =
          row == column ? 1 : field.quadraticCharacter[field.difference(row - 1, column - 1)]
      }
    }
    return entries
  }

  /// C ⊗ (1 1; 1 −1) + I ⊗ (1 −1; −1 −1), where C borders the symmetric matrix χ(a − b) with ones.
  private static func paleyTwo(_ field: FiniteField) -> [Int8] {
    let half = field.order + 1, order = 2 * half
    let off: [Int8] = [1, 1, 1, -1], diagonal: [Int8] = [1, -1, -1, -1]
    var entries = [Int8](repeating: 0, count: order * order)
    for row in 0..<half {
      for column in 0..<half {
        let conference: Int8 =
          row == 0 || column == 0
          ? 1 : field.quadraticCharacter[field.difference(row - 1, column - 1)]
        for place in 0..<4 {
          entries[(2 * row + place / 2) * order + 2 * column + place % 2] =
            row == column ? diagonal[place] : conference * off[place]
        }
      }
    }
    return entries
  }

  /// (A B C D; −B A −D C; −C D A −B; −D −C B A).
  private static func williamson(_ rows: [[Int8]]) -> [Int8] {
    let quarter = rows[0].count, order = 4 * quarter
    let layout = [[1, 2, 3, 4], [-2, 1, -4, 3], [-3, 4, 1, -2], [-4, -3, 2, 1]]
    var entries = [Int8](repeating: 0, count: order * order)
    for row in 0..<order {
      for column in 0..<order {
        let block = layout[row / quarter][column / quarter]
        let place = (column % quarter - row % quarter + quarter) % quarter
        entries[row * order + column] = Int8(block.signum()) * rows[abs(block) - 1][place]
      }
    }
    return entries
  }
}
