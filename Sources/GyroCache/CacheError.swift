public import GyroTensors

/// Why a cache cannot be made, extended, read or restored.
public enum CacheError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Heads, head size or capacity that are not positive.
  case shape(keyValueHeads: Int, headSize: Int, capacity: Int)
  /// A tensor whose shape does not fit the cache.
  case extents(String, expected: String, got: Shape)
  /// More tokens than the cache was made for.
  case capacity(Int, held: Int, added: Int)
  /// A head that a scheme cannot cut into its units.
  case headSize(Int, multipleOf: Int, scheme: String)
  /// A sketch that does not fill whole words of 64 bits.
  case sketchLength(Int, of: String)
  /// An option outside what a scheme can do.
  case option(String, expected: String, got: String)
  /// Keys or values with a NaN or an infinity.
  case notFinite(String, token: Int, head: Int)
  /// A number beyond the type it would be stored in.
  case tooLarge(String, token: Int, head: Int, value: Float, largest: Float)
  /// A snapshot of another scheme, seed or shape.
  case fingerprint(expected: String, got: String)
  /// A snapshot with a part missing, or of the wrong size in bytes.
  case snapshot(part: String, expected: Int, got: Int?)
  /// A name (of `what`) that does not exist.
  case unknown(String, String, nearest: String, known: [String])
  /// A cache that has no straight-through gradient.
  case untrainable(String, reason: String)

  public var description: String {
    switch self {
    case .shape(let heads, let size, let capacity):
      return "a cache needs at least one head, one element per head and room for one token, got "
        + "\(heads) heads of \(size) and \(capacity) tokens; take them from the model's "
        + "configuration"
    case .extents(let what, let expected, let got):
      return "the cache expected \(what) \(expected), got shape \(got); reshape them, or make the "
        + "cache for this model"
    case .capacity(let capacity, let held, let added):
      return "the cache was made for \(capacity) tokens and holds \(held), so \(added) more do not "
        + "fit; make it with a capacity of at least \(held + added), or shorten the context"
    case .headSize(let size, let multiple, let scheme):
      return "\(scheme) needs heads of a multiple of \(multiple) elements, got \(size); "
        + "use another scheme for this model"
    case .sketchLength(let rows, let name):
      return "the \(name) needs whole words of 64 rows, at least one, got \(rows) rows; "
        + "try \(max(64, (rows + 63) / 64 * 64))"
    case .option(let name, let expected, let got):
      return "\(name): expected \(expected), got \(got); change the cache's options"
    case .notFinite(let what, let token, let head):
      return "the \(what) of token \(token), head \(head) are not finite and cannot be cached; "
        + "look for what made them so (a learning rate too high, an overflow in Float16)"
    case .tooLarge(let what, let token, let head, let value, let largest):
      return
        "the \(what) of token \(token), head \(head) is \(value), and the cache stores at most "
        + "\(largest); scale the model's keys or values down, or keep this layer in Float32"
    case .fingerprint(let expected, let got):
      return
        "the cached bytes were made by '\(got)', this cache is '\(expected)'; restore them into "
        + "a cache of the same scheme, seed and shape"
    case .snapshot(let part, let expected, let got):
      return "the snapshot's part '\(part)' should have \(expected) bytes, "
        + (got.map { "it has \($0)" } ?? "it is missing")
        + "; the file is damaged, build the cache "
        + "again from the text"
    case .unknown(let what, let name, let nearest, let known):
      return known.isEmpty
        ? "there is no \(what) '\(name)', it has none; leave the part behind the colon out"
        : "there is no \(what) '\(name)'; the nearest is '\(nearest)', known are "
          + known.joined(separator: ", ")
    case .untrainable(let cache, let reason):
      return "training cannot go through the cache '\(cache)': \(reason); train with int8, int4, "
        + "int3, int2 or their rotated forms without a window, and use '\(cache)' afterwards"
    }
  }
}
