public import GyroTensors

/// TurboQuant's codes of a cache's rows (2504.19874).
public struct TurboCodes: TokenCodes {
  public let shape: CacheShape
  public let scheme: TurboScheme
  private var instances: [TurboInstance]
  private var channels: TurboChannels

  public init(_ shape: CacheShape, _ scheme: TurboScheme) throws(CacheError) {
    let sizes = try scheme.instances(headSize: shape.headSize)
    try shape.requireHeadSizeLimit(for: "turbo")
    self.shape = shape
    self.scheme = scheme
    channels = TurboChannels(shape, widths: sizes.map(\.width))
    instances = sizes.enumerated().map { part, size in
      TurboInstance(
        shape, width: size.width, bits: size.bits, estimator: scheme.estimator,
        rotation: scheme.rotation, seed: scheme.seed, part: part)
    }
  }

  public var calibration: Int { scheme.outliers?.tokens ?? 0 }

  public mutating func calibrate(_ rows: Tensor) { channels.find(rows) }

  /// The outlier channels of a head, in rising order; empty without.
  public func outlierChannels(head: Int) -> [Int] {
    instances.count > 1 ? channels.channels(part: 0, head: head) : []
  }

  public mutating func encode(_ rows: Tensor, first: Int) {
    for part in instances.indices {
      instances[part].encode(
        channels.gathered(rows, part: part, byHead: true), count: rows.shape[0], first: first)
    }
  }

  public func scores(
    _ queries: Tensor, queryHeads: Int, tokens: Int, into scores: UnsafeMutablePointer<Float>,
    stride: Int
  ) {
    let repeats = queryHeads / shape.keyValueHeads
    for (part, instance) in instances.enumerated() {
      instance.scores(
        channels.gathered(queries, part: part, repeats: repeats), queries: queries.shape[0],
        queryHeads: queryHeads, tokens: tokens, into: scores, stride: stride,
        accumulate: part > 0)
    }
  }

  public func weightedValues(
    _ weights: UnsafePointer<Float>, queries: Int, queryHeads: Int, tokens: Int, stride: Int
  ) -> Tensor {
    var result = Tensor.zeros([queries, queryHeads * shape.headSize])
    for (part, instance) in instances.enumerated() {
      let sum = instance.weighted(
        weights, queries: queries, queryHeads: queryHeads, tokens: tokens, stride: stride)
      if instances.count == 1 { return sum.reshaped(to: result.shape) }
      channels.scatter(
        sum, part: part, repeats: queryHeads / shape.keyValueHeads, into: &result)
    }
    return result
  }

  public func decoded(tokens: Int) -> Tensor {
    var result = Tensor.zeros([tokens, shape.width])
    for (part, instance) in instances.enumerated() {
      channels.scatter(instance.decoded(tokens: tokens), part: part, byHead: true, into: &result)
    }
    return result
  }

  public var bytes: CacheBytes {
    instances.reduce(CacheBytes(indices: channels.byteCount)) { $0 + $1.bytes }
  }

  public var parts: [String: [UInt8]] {
    var parts = ["channels": channels.contents]
    for (part, instance) in instances.enumerated() {
      parts.merge(instance.parts("instance \(part) ")) { $1 }
    }
    return parts
  }

  public mutating func restore(_ snapshot: CacheSnapshot) throws(CacheError) {
    channels.setContents(try snapshot.part("channels", count: channels.byteCount))
    for part in instances.indices {
      try instances[part].restore(snapshot, "instance \(part) ")
    }
  }

  public static var law: String {
    """
    mse at b bits: E⟨y, x̃⟩ = (1 − D_b)⟨y, x⟩ over rotations, with D_b = E‖x − x̃‖²/‖x‖² = .3609, \
    .1160, .0340, .0093 for b = 1 … 4 in 128 dimensions, and never more than (√3·π/2)·4^(−b); \
    the error of ⟨y, x̃⟩ has a second moment of about D_b·‖x‖²‖y‖²/d.
    prod at b bits: E⟨y, x̃⟩ = ⟨y, x⟩ over sketches; variance ((π/2)‖r‖²‖y‖² − ⟨y, r⟩²)/d with the \
    residual r of mse at b − 1 bits, ‖r‖² = D_(b−1)‖x‖² on average.
    """
  }
}

/// Keys as TurboQuant's codes: their norm, and each rotated coordinate's nearest level.
public typealias TurboKeyCache = CodedKeyCache<TurboCodes>
/// Values as TurboQuant's codes. Weighted sums are linear, so what holds for inner products holds for
/// them.
public typealias TurboValueCache = CodedValueCache<TurboCodes>

extension CodedCache where Codes == TurboCodes, Role == KeyRole {
  /// The outlier channels of a head once they are found, in rising order; empty without.
  public func outlierChannels(head: Int) -> [Int] { codes.outlierChannels(head: head) }
}
