/// A way to keep keys and values, with all its options: the one list behind `--cache`, its help and
/// the guide.
public struct CacheFamily: Sendable {
  /// One name, or several that differ in their bits.
  public let names: [String]
  /// One line.
  public let help: String
  public let options: [CacheOption]
  /// Why the family has no straight-through gradient; nil when it has one.
  let untrainable: String?
  /// Checks what concerns several options at once.
  let check: @Sendable (CacheSettings) throws(CacheError) -> Void
  let make: @Sendable (CacheSettings, CacheShape) throws(CacheError) -> any KeyValueCache

  init(
    _ names: [String], _ help: String, options: [CacheOption] = [], untrainable: String? = nil,
    check: @escaping @Sendable (CacheSettings) throws(CacheError) -> Void = {
      (_) throws(CacheError) in
    },
    make: @escaping @Sendable (CacheSettings, CacheShape) throws(CacheError) -> any KeyValueCache
  ) {
    self.names = names
    self.help = help
    self.options = options
    self.untrainable = untrainable
    self.check = check
    self.make = make
  }

  /// All there are.
  public static let all = floats + [integers, rotatedIntegers, kivi, qjl, turbo, turboProd, polar]

  /// The names of all families.
  public static var names: [String] { all.flatMap(\.names) }

  /// The family of a name; nil when there is none.
  public static func named(_ name: String) -> CacheFamily? {
    all.first { $0.names.contains(name) }
  }

  /// A line for each family, with the names of its options.
  public static var overview: String {
    all.map { family in
      let options = family.options.map(\.name).joined(separator: ", ")
      return "\(family.names.joined(separator: ", ")): \(family.help)"
        + (options.isEmpty ? "" : " [\(options)]")
    }.joined(separator: "\n")
  }

  /// A line for each family, and below it one for each of its options.
  public static var guide: String {
    all.flatMap { family in
      ["\(family.names.joined(separator: ", ")): \(family.help)"]
        + family.options.map { option in
          "  \(option.name)\(option.usual.map { $0.isEmpty ? "" : "=\($0)" } ?? ""): \(option.help)"
        }
    }.joined(separator: "\n")
  }
}

extension CacheOption {
  static let seed = CacheOption(
    "seed", .whole(0...Int(Int32.max)), usual: "0", "of everything that is drawn")

  static func window(_ usual: Int) -> CacheOption {
    CacheOption(
      "window", .whole(0...1_000_000), usual: "\(usual)", "newest tokens that stay floats")
  }

  /// The orthogonal matrix in front of codes.
  static let rotation = CacheOption(
    "rotation", .word(["orthogonal", "hadamard", "none"]), usual: "orthogonal",
    "what spreads outliers over a head: a random matrix, or random signs and a Hadamard transform")
}

extension CacheSettings {
  var rotation: CacheRotation {
    switch text("rotation") {
    case "orthogonal": .orthogonal(seed: seed)
    case "hadamard": .hadamard(seed: seed)
    default: .none
    }
  }
}

extension CacheFamily {
  static let floats = [
    CacheFamily(["float32"], "the numbers as they are") { (_, shape) throws(CacheError) in
      try FloatCache(shape)
    },
    CacheFamily(["float16"], "the numbers rounded to Float16: what others are measured against") {
      (_, shape) throws(CacheError) in
      try FloatCache(shape, precision: .float16)
    },
  ]
}
