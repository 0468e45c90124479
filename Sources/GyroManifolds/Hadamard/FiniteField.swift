/// The field of `order` = pᵏ elements, numbered so that 0 is zero, as far as Paley's construction
/// needs it: differences, and which elements are squares.
struct FiniteField {
  let order: Int
  let prime: Int
  /// By element: 0 for zero, 1 for squares, −1 for the others.
  let quadraticCharacter: [Int8]

  /// - Returns: nil when `order` is not a power of a prime.
  init?(order: Int) {
    guard let (prime, degree) = Self.primePower(order) else { return nil }
    self.order = order
    self.prime = prime
    quadraticCharacter = Self.powers(prime, degree, order)
  }

  /// The prime and the exponent of a power of a prime; nil for other numbers.
  static func primePower(_ order: Int) -> (prime: Int, degree: Int)? {
    guard order > 1 else { return nil }
    let prime = (2...).first { $0 * $0 > order || order.isMultiple(of: $0) }!
    if !order.isMultiple(of: prime) { return (order, 1) }
    var (rest, degree) = (order, 0)
    while rest.isMultiple(of: prime) { (rest, degree) = (rest / prime, degree + 1) }
    return rest == 1 ? (prime, degree) : nil
  }

  /// The difference of two elements: digit by digit in base p.
  func difference(_ a: Int, _ b: Int) -> Int {
    var (a, b, place, result) = (a, b, 1, 0)
    while place < order {
      result += (a % prime - b % prime + prime) % prime * place
      (a, b, place) = (a / prime, b / prime, place * prime)
    }
    return result
  }

  /// Walks through the powers of the element x modulo one monic polynomial after the other, until
  /// they visit every element but zero: then x generates the field, and its even powers are the
  /// squares. Elements are polynomials over GF(p), their coefficients the digits in base p.
  private static func powers(_ prime: Int, _ degree: Int, _ order: Int) -> [Int8] {
    let top = order / prime
    for polynomial in 1..<order {
      var character = [Int8](repeating: 0, count: order)
      var (element, sign) = (1, Int8(1))
      for _ in 1..<order where character[element] == 0 {
        character[element] = sign
        // Times x; what moves past the highest place is replaced by −(the rest of the polynomial).
        let carry = element / top
        var (shifted, rest, place, next) = (element % top * prime, polynomial, 1, 0)
        while place < order {
          let digit = (shifted % prime + (prime - carry) * (rest % prime)) % prime
          next += digit * place
          (shifted, rest, place) = (shifted / prime, rest / prime, place * prime)
        }
        (element, sign) = (next, -sign)
        if element == 0 { break }
      }
      if character.dropFirst().allSatisfy({ $0 != 0 }) && element == 1 { return character }
    }
    preconditionFailure("FiniteField: GF(\(order)) has no primitive polynomial")
  }
}
