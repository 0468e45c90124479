import CGyroKernels
public import GyroTensors

/// Values as whole numbers, asymmetric min–max for each token and group of channels, the newest
/// tokens in float: the values of QJL (2406.03482 §4) and of KIVI.
public struct GroupValueCache: ValueCache {
  /// How values are kept.
  public struct Options: Sendable, Hashable, Codable {
    /// 1, 2, 3, 4 or 8 for each element.
    public var bits: Int
    /// Channels that share a scale and a minimum, Float16 each: a multiple of 32. A head smaller
    /// than that is one group.
    public var group: Int
    /// The newest tokens that stay floats.
    public var window: Int
    public var windowPrecision: FloatPrecision

    public init(
      bits: Int = 2, group: Int = 32, window: Int = 128,
      windowPrecision: FloatPrecision = .float16
    ) {
      self.bits = bits
      self.group = group
      self.window = window
      self.windowPrecision = windowPrecision
    }
  }

  public let shape: CacheShape
  public let options: Options
  public private(set) var length = 0
  private var codes: GroupValueCodes
  private var window: FloatRows

  /// - Throws: `CacheError.option` for widths and groups that do not exist, `CacheError.headSize`
  ///   for heads that are not a multiple of 8.
  public init(_ shape: CacheShape, _ options: Options = .init()) throws(CacheError) {
    try shape.requireHeadSize(multipleOf: 8, for: "a cache of values in groups")
    try shape.requireHeadSizeLimit(for: "a cache of values in groups")
    guard [1, 2, 3, 4, 8].contains(options.bits) else {
      throw .option("bits of values", expected: "1, 2, 3, 4 or 8", got: "\(options.bits)")
    }
    guard options.group > 0, options.group.isMultiple(of: 32) else {
      throw .option("group of values", expected: "a multiple of 32", got: "\(options.group)")
    }
    guard options.window >= 0 else {
      throw .option("window", expected: "0 tokens or more", got: "\(options.window)")
    }
    self.shape = shape
    self.options = options
    let tokens = max(0, shape.capacity - options.window)
    codes = GroupValueCodes(shape, bits: options.bits, group: options.group, capacity: tokens)
    window = FloatRows(
      shape, slots: min(options.window, shape.capacity), precision: options.windowPrecision)
  }

  public func check(_ values: Tensor) throws(CacheError) {
    try shape.checkAppended(values, "values", after: length)
    // A 1-bit code's step is the whole range, which has to fit Float16 as well.
    let largest: Float = options.bits == 1 ? 32752 : 65504
    try shape.checkMagnitudes(values, "values", after: length, largest: largest)
  }

  /// Tokens whose values are codes.
  public var quantized: Int { max(0, length - options.window) }

  public mutating func append(_ values: Tensor) throws(CacheError) {
    try check(values)
    values.withElements { source in
      if window.slots == 0 {
        codes.encode(source, first: length, count: values.shape[0])
        length += values.shape[0]
        return
      }
      var done = 0
      while done < values.shape[0] {
        let count = min(values.shape[0] - done, window.slots)
        let leaving = max(0, length + count - window.slots) - quantized
        if leaving > 0 {
          window.load(first: quantized, count: leaving).withElements {
            codes.encode($0, first: quantized, count: leaving)
          }
        }
        window.store(source + done * shape.width, first: length, count: count)
        length += count
        done += count
      }
    }
  }

  public func weightedValues(_ weights: Tensor) throws(CacheError) -> Tensor {
    let heads = try shape.weightHeads(of: weights, length: length)
    let queries = weights.shape[0]
    var result = Tensor.zeros([queries, heads * shape.headSize])
    weights.withElements { weight in
      result.withMutableElements {
        codes.addSum(
          weight, stride: length, queries: queries, queryHeads: heads, tokens: quantized, into: $0)
        window.addSum(
          weight + quantized, stride: length, queries: queries, queryHeads: heads,
          first: quantized, tokens: length - quantized, into: $0)
      }
    }
    return result
  }

  public var bytes: CacheBytes {
    CacheBytes(codes: codes.planeBytes, scales: codes.scaleBytes, window: window.byteCount)
  }

  public var fingerprint: String {
    "values of \(options.bits) bits in groups of \(options.group), window \(options.window) "
      + "\(options.windowPrecision.rawValue), \(shape)"
  }

  public var snapshot: CacheSnapshot {
    var parts = codes.parts
    parts["window"] = window.contents
    return CacheSnapshot(fingerprint: fingerprint, length: length, parts: parts)
  }

  public mutating func restore(_ snapshot: CacheSnapshot) throws(CacheError) {
    try snapshot.require(fingerprint: fingerprint, capacity: shape.capacity)
    var codes = codes
    try codes.restore(snapshot)
    window.setContents(try snapshot.part("window", count: window.byteCount))
    self.codes = codes
    length = snapshot.length
  }

  public static var law: String {
    """
    biased by rounding: every element lies within half a step of its group, step = (max − min)/(2^b \
    − 1) rounded up to Float16; for spread-out values the error of a sum has variance ≈ Σ w² step²/12
    """
  }
}
