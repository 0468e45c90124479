import CGyroKernels
public import GyroTensors

/// Whole numbers with a scale for each token and group of channels, or for each channel and group of
/// tokens.
public struct IntegerCodes: TokenCodes {
  public let shape: CacheShape
  public let scheme: IntegerCacheScheme
  private let rotation: RowRotation
  private var rows: PackedRows
  /// Per-channel scales and minima, `[heads, groups, headSize]`; empty when they are per token.
  private var scales: CacheBuffer<UInt16>
  private var offsets: CacheBuffer<UInt16>
  private let groups: Int
  private let isPerToken: Bool

  public init(_ shape: CacheShape, _ scheme: IntegerCacheScheme) throws(CacheError) {
    try scheme.check(shape)
    self.shape = shape
    self.scheme = scheme
    rotation = RowRotation(scheme.rotation, size: shape.headSize)
    var width = 0
    switch scheme.grouping {
    case .tokens(let channels):
      width = min(channels, shape.headSize)
      (groups, isPerToken) = (0, true)
    case .channels(let tokens):
      (groups, isPerToken) = (shape.capacity / tokens, false)
    }
    rows = PackedRows(
      heads: shape.keyValueHeads, capacity: shape.capacity, width: shape.headSize,
      bits: scheme.bits, group: width, levels: scheme.levels,
      hasOffsets: width > 0 && !scheme.isSymmetric)
    scales = CacheBuffer(count: groups * shape.width)
    offsets = CacheBuffer(count: scheme.isSymmetric ? 0 : groups * shape.width)
  }

  public var group: Int {
    if case .channels(let tokens) = scheme.grouping { tokens } else { 1 }
  }
  public var window: Int { scheme.window }
  public var holdsValues: Bool { isPerToken }
  /// An offset must fit a Float16, and so must the coordinates of a rotated row.
  public var limit: CodeLimit {
    scheme.rotation == .none ? .magnitude(65504) : .norm(65504)
  }

  private var format: gyro_integer_format {
    gyro_integer_format(bits: Int32(scheme.bits), symmetric: scheme.isSymmetric ? 1 : 0)
  }

  public mutating func encode(_ rows: Tensor, first: Int) {
    let (heads, size, count) = (shape.keyValueHeads, shape.headSize, rows.shape[0])
    let byHead = rows.reshaped(to: [count, heads, size]).transposed(0, 1).contiguous()
    let rotated = rotation.applied(to: byHead)
    var codes = [UInt8](repeating: 0, count: rows.count)
    let length = isPerToken ? self.rows.group : group
    // Per token, lines are neighboring channels; per channel, neighboring tokens.
    let lines =
      isPerToken
      ? gyro_integer_lines(
        outer: Int64(heads * count), inner: Int64(size / length), length: Int64(length),
        outer_stride: Int64(size), inner_stride: Int64(length), stride: 1)
      : gyro_integer_lines(
        outer: Int64(heads * count / length), inner: Int64(size), length: Int64(length),
        outer_stride: Int64(size * length), inner_stride: 1, stride: Int64(size))
    var newScales = [UInt16](repeating: 0, count: Int(lines.outer * lines.inner))
    var newOffsets = newScales
    rotated.withElements {
      gyro_integer_encode($0, lines, format, &codes, &newScales, &newOffsets)
    }
    self.rows.store(codes, scales: newScales, offsets: newOffsets, first: first, count: count)
    if isPerToken { return }
    let (room, new, start) = (groups, count / length, first / length)
    func store(_ source: [UInt16], _ buffer: inout CacheBuffer<UInt16>) {
      buffer.write { destination in
        for head in 0..<heads {
          for place in 0..<new * size {
            destination[(head * room + start) * size + place] = source[head * new * size + place]
          }
        }
      }
    }
    store(newScales, &scales)
    if !scheme.isSymmetric { store(newOffsets, &offsets) }
  }

  public func scores(
    _ queries: Tensor, queryHeads: Int, tokens: Int, into scores: UnsafeMutablePointer<Float>,
    stride: Int
  ) {
    let rotated = rotation.applied(to: queries), count = queries.shape[0]
    if isPerToken {
      rows.scores(
        rotated, queries: count, queryHeads: queryHeads, tokens: tokens, into: scores,
        stride: stride, accumulate: false)
      return
    }
    let shape = gyro_code_queries(
      count: Int64(count), repeats: Int64(queryHeads / self.shape.keyValueHeads))
    rotated.withElements { elements in
      rows.withRows(tokens: tokens) { rows in
        scales.read { scales in
          offsets.read { offsets in
            gyro_integer_channel_scores(
              &rows, scales, scheme.isSymmetric ? nil : offsets, Int64(groups), Int64(group),
              shape, elements, scores, Int64(stride))
          }
        }
      }
    }
  }

  public func weightedValues(
    _ weights: UnsafePointer<Float>, queries: Int, queryHeads: Int, tokens: Int, stride: Int
  ) -> Tensor {
    let sum = rows.weighted(
      weights, queries: queries, queryHeads: queryHeads, tokens: tokens, stride: stride)
    return rotation.undone(sum).reshaped(to: [queries, queryHeads * shape.headSize])
  }

  public func decoded(tokens: Int) -> Tensor {
    let (heads, size) = (shape.keyValueHeads, shape.headSize)
    var byHead = rows.decoded(tokens: tokens)
    if !isPerToken {
      let group = group
      byHead.withMutableElements { element in
        scales.read { scales in
          offsets.read { offsets in
            for place in 0..<heads * tokens * size {
              let (head, token) = (place / (tokens * size), place / size % tokens)
              let line = (head * groups + token / group) * size + place % size
              element[place] *= Float(Float16(bitPattern: scales[line]))
              if !scheme.isSymmetric {
                element[place] += Float(Float16(bitPattern: offsets[line]))
              }
            }
          }
        }
      }
    }
    return rotation.undone(byHead).reshaped(to: [heads, tokens, size]).transposed(0, 1).contiguous()
      .reshaped(to: [tokens, shape.width])
  }

  public var bytes: CacheBytes {
    var bytes = CacheBytes(
      codes: rows.codeBytes, scales: rows.scaleBytes + scales.byteCount + offsets.byteCount)
    if rotation.byteCount > 0 {
      bytes.shared["rotation \(shape.headSize)"] = rotation.byteCount
    }
    return bytes
  }

  public var parts: [String: [UInt8]] {
    var parts = rows.parts("")
    if scales.count > 0 { parts["channel scales"] = scales.contents }
    if offsets.count > 0 { parts["channel offsets"] = offsets.contents }
    return parts
  }

  public mutating func restore(_ snapshot: CacheSnapshot) throws(CacheError) {
    try rows.restore(snapshot, "")
    if scales.count > 0 {
      scales.setContents(try snapshot.part("channel scales", count: scales.byteCount))
    }
    if offsets.count > 0 {
      offsets.setContents(try snapshot.part("channel offsets", count: offsets.byteCount))
    }
  }

  public static var law: String {
    """
    rounding to the nearest: each number is within half a step, step = range/(2^b − 1) of its group \
    (or largest magnitude/(2^(b−1) − 1)); no randomness. For numbers spread over a step the error of \
    ⟨q, k⟩ has mean about 0 and variance Σ q_i²·step_i²/12.
    """
  }
}

/// Keys as whole numbers, per token or per channel.
public typealias IntegerKeyCache = CodedKeyCache<IntegerCodes>
/// Values as whole numbers per token.
public typealias IntegerValueCache = CodedValueCache<IntegerCodes>
