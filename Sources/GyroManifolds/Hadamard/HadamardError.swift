/// Why a Hadamard transform could not be made.
public enum HadamardError: Error, Sendable, Equatable, CustomStringConvertible {
  /// So many equal blocks do not make up the size.
  case blocks(size: Int, blocks: Int)

  public var description: String {
    switch self {
    case .blocks(let size, let blocks):
      let divisors = (1...max(size, 1)).filter { size.isMultiple(of: $0) }
      let below = divisors.last { $0 <= blocks }
      let above = divisors.first { $0 >= blocks }
      let near = [below, above].compactMap { $0 }.map(String.init).joined(separator: " or ")
      return "Hadamard transform: \(blocks) blocks do not divide \(size) evenly; try \(near)"
    }
  }
}
