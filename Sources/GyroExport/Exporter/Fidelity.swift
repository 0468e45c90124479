import GyroCheckpoints

/// What a file keeps of one demand.
public enum Fidelity: Sendable, Hashable {
  /// Everything, bit for bit.
  case exact
  /// The codes, with scales or values rounded by at most `error`, relative to each; 0 where the values
  /// are the trained ones but stored without codes.
  case within(Float, because: String)
  /// Nothing is stored; whoever runs the file does as it always does.
  case leftToRuntime(String)
  /// The file would be wrong.
  case impossible(String)
}

extension Fidelity {
  /// Numbers stored without codes in a type; nil for one that holds them.
  static func numbers(as type: ScalarType?) -> Fidelity {
    guard let type else { return .exact }
    guard let error = type.roundoff else {
      return .impossible("plain numbers are F32, F16 or BF16")
    }
    return error == 0 ? .exact : .within(error, because: "numbers are rounded to \(type.rawValue)")
  }
}

extension Fidelity: Comparable, CustomStringConvertible {
  private var rank: Int {
    switch self {
    case .exact: 0
    case .leftToRuntime: 1
    case .within: 2
    case .impossible: 3
    }
  }

  /// The better one is less.
  public static func < (one: Fidelity, other: Fidelity) -> Bool {
    if case .within(let a, _) = one, case .within(let b, _) = other { return a < b }
    return one.rank < other.rank
  }

  /// For the truth table.
  public var description: String {
    switch self {
    case .exact: "exact"
    case .within(0, let reason): "values alone: \(reason)"
    case .within(let error, let reason): "within \(error): \(reason)"
    case .leftToRuntime(let what): "left to the runtime: \(what)"
    case .impossible(let reason): "impossible: \(reason)"
    }
  }
}
