import GyroQuantization

/// The codes of a number format as whole numbers: a code stands for `numbers[code] · unit`.
///
/// Blocks hold whole numbers times a scale, so every format whose values are whole multiples of one
/// power of two rides in them unchanged: int2 to int8, ternary, binary, powers of two.
struct GGUFLattice {
  /// A power of two.
  let unit: Float
  /// By code, of which there are `2^bits`; nil for codes that nothing encodes to.
  let numbers: [Int16?]
  /// The whole numbers that occur, before a zero point is taken away.
  let range: ClosedRange<Int>

  /// - Returns: nil when the values are no such multiples, or when two codes stand for one number (as
  ///   the two zeros of floats do), which could not be told apart again.
  init?(_ format: any NumberFormat, isSymmetric: Bool) {
    let codes = 0..<(1 << format.bits)
    guard isSymmetric else {
      self.init(unit: 1, numbers: codes.map { Int16($0) })
      return
    }
    // A list of levels may have fewer than 2^bits.
    let levels = (format as? Codebook)?.levels.count ?? codes.count
    let values = codes.map { $0 < levels ? format.decode(UInt8($0)) : nil }
    let nonzero = values.compactMap { $0 }.filter { $0 != 0 }
    guard nonzero.allSatisfy(\.isFinite),
      let exponent = nonzero.map({ Int($0.exponent) - $0.significandWidth }).min()
    else { return nil }
    let unit = Float(sign: .plus, exponent: exponent, significand: 1)
    let multiples = values.map { $0.map { $0 / unit } }
    guard multiples.allSatisfy({ ($0 ?? 0).magnitude <= 128 }) else { return nil }
    self.init(unit: unit, numbers: multiples.map { $0.map { Int16($0) } })
  }

  private init?(unit: Float, numbers: [Int16?]) {
    let present = numbers.compactMap { $0.map(Int.init) }
    guard Set(present).count == present.count, let least = present.min(), let most = present.max()
    else { return nil }
    self.unit = unit
    self.numbers = numbers
    range = least...most
  }

  /// The numbers blocks have to hold: zero points may be anywhere in the range.
  func differences(isSymmetric: Bool) -> ClosedRange<Int> {
    isSymmetric ? range : -range.upperBound...range.upperBound
  }

  /// The code of each number of `range`, from its lower bound on; nil where there is none.
  var codes: [UInt8?] {
    var codes = [UInt8?](repeating: nil, count: range.count)
    for (code, number) in numbers.enumerated() {
      if let number { codes[Int(number) - range.lowerBound] = UInt8(code) }
    }
    return codes
  }
}
