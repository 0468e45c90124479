public import GyroTensors

/// A handle to a tensor in a store: modules hold handles, the store holds the numbers.
public struct Parameter: Sendable, Hashable {
  /// What a parameter does in its layer. Schemes and weight decay choose by it.
  public enum Kind: String, Sendable, Codable {
    /// The matrix `[out, in]` of a linear layer.
    case linear
    /// The kernel `[out, in / groups, height, width]` of a convolution.
    case convolution
    /// A table of vectors, one a row.
    case embedding
    /// Gains and offsets of a normalization.
    case normalization
    /// An offset added to a layer's output.
    case bias
    /// A learned part of a quantizer, e.g. a scale.
    case quantizer
    /// An orthogonal matrix that is learned as one.
    case rotation
    /// Logarithms of factors that one weight is multiplied by and another divided.
    case scaling
    /// Running statistics and the like.
    case buffer
  }

  public let path: ParameterPath
  public let shape: Shape
  public let kind: Kind

  public init(path: ParameterPath, shape: Shape, kind: Kind) {
    self.path = path
    self.shape = shape
    self.kind = kind
  }
}

/// Tensors by path, in the order they were declared: parameters (trained) and buffers (running
/// statistics and the like, carried but never given a gradient).
///
/// A store is a value: a snapshot, a moving average, a rollback or a teacher copy is an assignment,
/// and costs memory only where the copies come to differ.
public struct ParameterStore: Sendable {
  private struct Entry: Sendable {
    var value: Tensor
    let kind: Parameter.Kind
  }
  private var entries: [ParameterPath: Entry] = [:]

  /// All paths, in order of declaration.
  public private(set) var paths: [ParameterPath] = []

  /// The activation sites of the model, in order of declaration.
  public private(set) var sites: [Site] = []

  /// Weights that read one input, and that runtimes put into one matrix: q, k and v; gate and up.
  public private(set) var fusions: [[ParameterPath]] = []

  public init() {}

  /// Declares a tensor under a new path; a path already taken traps.
  @discardableResult
  public mutating func declare(
    _ path: ParameterPath, _ value: Tensor, kind: Parameter.Kind
  ) -> Parameter {
    precondition(entries[path] == nil, "ParameterStore: \(path) is declared twice")
    entries[path] = Entry(value: value, kind: kind)
    paths.append(path)
    return Parameter(path: path, shape: value.shape, kind: kind)
  }

  /// Forgets a tensor; nothing happens when there is none at the path.
  public mutating func remove(_ path: ParameterPath) {
    guard entries.removeValue(forKey: path) != nil else { return }
    paths.removeAll { $0 == path }
  }

  /// Declares an activation site.
  public mutating func declare(_ site: Site) { sites.append(site) }

  /// Declares that runtimes put some weights into one matrix.
  public mutating func declare(fusion weights: [ParameterPath]) { fusions.append(weights) }

  /// Whether a path is declared.
  public func contains(_ path: ParameterPath) -> Bool { entries[path] != nil }

  /// The handle of what is declared at a path; nil when nothing is.
  public func parameter(at path: ParameterPath) -> Parameter? {
    entries[path].map { Parameter(path: path, shape: $0.value.shape, kind: $0.kind) }
  }

  /// The tensor at a path. Reading or writing an undeclared path, or writing another shape, traps.
  public subscript(path: ParameterPath) -> Tensor {
    get {
      guard let entry = entries[path] else {
        preconditionFailure("ParameterStore: nothing is declared at \(path)")
      }
      return entry.value
    }
    set {
      guard let old = entries[path] else {
        preconditionFailure("ParameterStore: nothing is declared at \(path)")
      }
      precondition(
        old.value.shape == newValue.shape,
        "ParameterStore: \(path) has shape \(old.value.shape), not \(newValue.shape)")
      entries[path]!.value = newValue
    }
  }

  /// Changes a tensor in place, without a copy when nobody else holds it.
  public mutating func update<Result>(
    _ path: ParameterPath, _ body: (inout Tensor) throws -> Result
  ) rethrows -> Result {
    precondition(entries[path] != nil, "ParameterStore: nothing is declared at \(path)")
    return try body(&entries[path]!.value)
  }

  /// The paths of everything that is trained.
  public var parameterPaths: [ParameterPath] {
    paths.filter { entries[$0]!.kind != .buffer }
  }

  /// What elements that are still to be decoded, from codes or 16-bit numbers, would take in memory.
  public var undecodedBytes: Int {
    entries.values.reduce(0) { $0 + ($1.value.isPresent ? 0 : 4 * $1.value.count) }
  }

  /// A copy whose tensors decode their elements for it alone (`Tensor.decodingApart`).
  public func decodingApart() -> ParameterStore {
    var copy = self
    for path in paths { copy.entries[path]!.value = self[path].decodingApart() }
    return copy
  }

  /// The number of trained elements.
  public var parameterCount: Int { parameterPaths.reduce(0) { $0 + self[$1].count } }

  /// The paths a pattern matches; a pattern that matches nothing throws.
  public func paths(matching pattern: PathPattern) throws(PathError) -> [ParameterPath] {
    let found = paths.filter(pattern.matches)
    if found.isEmpty { throw .unmatched(pattern, among: paths) }
    return found
  }
}

/// A path or pattern that names nothing.
public enum PathError: Error, Sendable, CustomStringConvertible {
  case unmatched(PathPattern, among: [ParameterPath])

  public var description: String {
    switch self {
    case .unmatched(let pattern, let paths):
      let sample = paths.prefix(4).map(\.name).joined(separator: ", ")
      return "the pattern '\(pattern)' matches none of the \(paths.count) paths "
        + "(for example \(sample)); use * for any run of characters"
    }
  }
}
