import CGyroKernels
import GyroTensors

/// Tokens as codes and, as long as they cannot be encoded, as floats.
struct CodedTokens<Codes: TokenCodes>: Sendable {
  private(set) var codes: Codes
  private(set) var length = 0
  /// The first tokens, those that are codes.
  private(set) var encoded = 0
  private var recent: FloatRows?

  init(_ codes: Codes) {
    self.codes = codes
    recent = Self.floats(codes, isCalibrated: codes.calibration == 0)
  }

  var shape: CacheShape { codes.shape }

  /// Room for the tokens that may have to wait.
  private static func floats(_ codes: Codes, isCalibrated: Bool) -> FloatRows? {
    let waiting = max(codes.window + codes.group, isCalibrated ? 0 : codes.calibration) - 1
    let slots = min(waiting, codes.shape.capacity)
    return slots > 0 ? FloatRows(codes.shape, slots: slots, precision: .float32) : nil
  }

  /// How many of `length` tokens are codes.
  private func encoded(of length: Int) -> Int {
    guard length >= codes.calibration else { return 0 }
    return max(length - codes.window, 0) / codes.group * codes.group
  }

  func check(_ rows: Tensor, _ what: String) throws(CacheError) {
    try shape.checkAppended(rows, what, after: length)
    let (line, largest) =
      switch codes.limit {
      case .norm(let largest): (shape.headSize, largest)
      case .magnitude(let largest): (1, largest)
      }
    var value: Float = 0
    let place = rows.withElements {
      gyro_cache_long_row($0, Int64(rows.count / line), Int64(line), largest, &value)
    }
    if place >= 0 {
      let element = Int(place) * line
      throw .tooLarge(
        what, token: length + element / shape.width, head: element % shape.width / shape.headSize,
        value: value, largest: largest)
    }
  }

  /// Adds rows that `check` has passed.
  mutating func append(_ rows: Tensor) {
    let count = rows.shape[0], end = encoded(of: length + count), start = length
    if end == encoded {
      rows.withElements { recent?.store($0, first: start, count: count) }
      length += count
      return
    }
    let waiting = waitingRows(then: rows)
    if encoded == 0, codes.calibration > 0 {
      codes.calibrate(waiting.sliced(axis: 0, 0..<codes.calibration).contiguous())
      recent = Self.floats(codes, isCalibrated: true)
    }
    codes.encode(waiting.sliced(axis: 0, 0..<end - encoded).contiguous(), first: encoded)
    length += count
    let rest = length - end, offset = (end - encoded) * shape.width
    if rest > 0 {
      waiting.withElements { recent?.store($0 + offset, first: end, count: rest) }
    }
    encoded = end
  }

  /// The tokens that wait, and new ones behind them.
  private func waitingRows(then rows: Tensor) -> Tensor {
    guard let recent, length > encoded else { return rows.contiguous() }
    let old = recent.load(first: encoded, count: length - encoded)
    return Tensor.filled([old.shape[0] + rows.shape[0], shape.width]) { destination in
      old.withElements { destination.update(from: $0, count: old.count) }
      rows.withElements { (destination + old.count).update(from: $0, count: rows.count) }
    }
  }

  func scores(_ queries: Tensor) throws(CacheError) -> Tensor {
    let heads = try shape.queryHeads(of: queries)
    let queries = queries.contiguous()
    return Tensor.filled([queries.shape[0], heads, length]) { scores in
      if encoded > 0 {
        codes.scores(queries, queryHeads: heads, tokens: encoded, into: scores, stride: length)
      }
      if length > encoded {
        recent?.scores(
          queries, queryHeads: heads, first: encoded, tokens: length - encoded,
          into: scores + encoded, stride: length)
      }
    }
  }

  func weightedValues(_ weights: Tensor) throws(CacheError) -> Tensor {
    let heads = try shape.weightHeads(of: weights, length: length)
    let queries = weights.shape[0]
    return weights.withElements { weight in
      var result =
        encoded > 0
        ? codes.weightedValues(
          weight, queries: queries, queryHeads: heads, tokens: encoded, stride: length)
        : Tensor.zeros([queries, heads * shape.headSize])
      if length > encoded {
        result.withMutableElements {
          recent?.addSum(
            weight + encoded, stride: length, queries: queries, queryHeads: heads, first: encoded,
            tokens: length - encoded, into: $0)
        }
      }
      return result
    }
  }

  func decoded() -> Tensor {
    let coded = encoded > 0 ? codes.decoded(tokens: encoded) : nil
    return Tensor.filled([length, shape.width]) { destination in
      if let coded {
        coded.withElements { destination.update(from: $0, count: coded.count) }
      }
      if length > encoded, let recent {
        let floats = recent.load(first: encoded, count: length - encoded)
        floats.withElements {
          (destination + encoded * shape.width).update(from: $0, count: floats.count)
        }
      }
    }
  }

  var bytes: CacheBytes {
    var bytes = codes.bytes
    bytes.window += recent?.byteCount ?? 0
    return bytes
  }

  var fingerprint: String { "\(codes.scheme), \(shape)" }

  var snapshot: CacheSnapshot {
    var parts = codes.parts
    if let recent { parts["recent"] = recent.contents }
    return CacheSnapshot(fingerprint: fingerprint, length: length, parts: parts)
  }

  mutating func restore(_ snapshot: CacheSnapshot) throws(CacheError) {
    try snapshot.require(fingerprint: fingerprint, capacity: shape.capacity)
    var restored = self
    try restored.codes.restore(snapshot)
    restored.length = snapshot.length
    restored.encoded = encoded(of: snapshot.length)
    let isCalibrated = codes.calibration == 0 || restored.encoded > 0
    restored.recent = Self.floats(codes, isCalibrated: isCalibrated)
    if var recent = restored.recent {
      recent.setContents(try snapshot.part("recent", count: recent.byteCount))
      restored.recent = recent
    }
    self = restored
  }
}
