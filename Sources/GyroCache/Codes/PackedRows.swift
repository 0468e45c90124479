import CGyroKernels
import GyroTensors

/// Packed codes of all heads with their scales: a row of head h and token t is, for coordinate i,
/// scale · level(code) + offset, with a scale (and offset) for every `group` coordinates.
struct PackedRows: Sendable {
  /// What a code stands for.
  enum Levels: Sendable, Hashable {
    /// A table, for up to 4 bits.
    case table([Float])
    /// The code itself plus a number, for 8 bits.
    case code(plus: Float)
  }

  let heads: Int, capacity: Int, width: Int, bits: Int, group: Int
  private let levels: Levels
  private var codes: CacheBuffer<UInt8>
  private var scales: CacheBuffer<UInt16>
  private var offsets: CacheBuffer<UInt16>

  /// - Parameters:
  ///   - group: coordinates that share a scale: `width`, or a divisor of it; 0 for no scales.
  init(
    heads: Int, capacity: Int, width: Int, bits: Int, group: Int, levels: Levels,
    hasOffsets: Bool = false
  ) {
    (self.heads, self.capacity, self.width) = (heads, capacity, width)
    (self.bits, self.group, self.levels) = (bits, group, levels)
    codes = CacheBuffer(count: heads * capacity * width * bits / 8)
    let groups = group == 0 ? 0 : heads * capacity * (width / group)
    scales = CacheBuffer(count: groups)
    offsets = CacheBuffer(count: hasOffsets ? groups : 0)
  }

  private var format: gyro_code_format {
    gyro_code_format(width: Int32(width), bits: Int32(bits))
  }
  var rowBytes: Int { width * bits / 8 }
  var codeBytes: Int { codes.byteCount }
  var scaleBytes: Int { scales.byteCount + offsets.byteCount }

  /// Stores codes `[heads, count, width]`, one byte each, as tokens `first …`, with scales and
  /// offsets `[heads, count, width / group]`.
  mutating func store(
    _ unpacked: UnsafePointer<UInt8>, scales newScales: [UInt16], offsets newOffsets: [UInt16] = [],
    first: Int, count: Int
  ) {
    let (heads, capacity, width, format) = (heads, capacity, width, format)
    let rowBytes = rowBytes, groups = group == 0 ? 0 : width / group
    codes.write { codes in
      for head in 0..<heads {
        gyro_pack_codes(
          unpacked + head * count * width, Int64(count), format,
          codes + (head * capacity + first) * rowBytes)
      }
    }
    func spread(_ source: [UInt16], _ destination: UnsafeMutablePointer<UInt16>) {
      for head in 0..<heads {
        for token in 0..<count {
          for part in 0..<groups {
            destination[(head * groups + part) * capacity + first + token] =
              source[(head * count + token) * groups + part]
          }
        }
      }
    }
    if groups > 0 { scales.write { spread(newScales, $0) } }
    if offsets.count > 0 { offsets.write { spread(newOffsets, $0) } }
  }

  /// Calls `body` with the rows of the first `tokens` tokens as the kernels see them.
  func withRows<Result>(tokens: Int, _ body: (inout gyro_code_rows) -> Result) -> Result {
    var table: [Float] = [], bias: Float = 0
    switch levels {
    case .table(let levels): table = (0..<16).map { levels[$0 % levels.count] }
    case .code(let plus): bias = plus
    }
    return codes.read { codes in
      scales.read { scales in
        offsets.read { offsets in
          table.withUnsafeBufferPointer { table in
            var rows = gyro_code_rows(
              format: format, codes: codes, scales: group == 0 ? nil : scales,
              offsets: self.offsets.count == 0 ? nil : offsets,
              levels: table.isEmpty ? nil : table.baseAddress, bias: bias,
              group: Int32(group == 0 ? width : group), heads: Int64(heads),
              capacity: Int64(capacity), first: 0, count: Int64(tokens),
              variant: Int32(gyro_variant_best.rawValue))
            return body(&rows)
          }
        }
      }
    }
  }

  /// Writes (or adds) ⟨query, row⟩ for queries `[queries, queryHeads, width]`.
  func scores(
    _ queries: Tensor, queries count: Int, queryHeads: Int, tokens: Int,
    into scores: UnsafeMutablePointer<Float>, stride: Int, accumulate: Bool
  ) {
    queries.withElements { elements in
      withRows(tokens: tokens) { rows in
        gyro_code_scores(
          &rows, shape(count, queryHeads), elements, scores, Int64(stride), accumulate ? 1 : 0)
      }
    }
  }

  /// Σ w_t row_t `[queries, queryHeads, width]`.
  func weighted(
    _ weights: UnsafePointer<Float>, queries: Int, queryHeads: Int, tokens: Int, stride: Int
  ) -> Tensor {
    withRows(tokens: tokens) { rows in
      let shape = shape(queries, queryHeads)
      return Tensor.filled([queries, queryHeads, width]) { output in
        _ = Tensor.filled([Int(gyro_code_scratch(&rows, shape))]) { scratch in
          gyro_code_weighted(&rows, shape, weights, Int64(stride), output, 0, scratch)
        }
      }
    }
  }

  private func shape(_ queries: Int, _ queryHeads: Int) -> gyro_code_queries {
    gyro_code_queries(count: Int64(queries), repeats: Int64(queryHeads / heads))
  }

  /// The codes of the first `tokens` tokens, `[heads, tokens, width]`.
  func unpacked(tokens: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: heads * tokens * width) { destination, count in
      codes.read { codes in
        for head in 0..<heads {
          gyro_unpack_codes(
            codes + head * capacity * rowBytes, Int64(tokens), format,
            destination.baseAddress! + head * tokens * width)
        }
      }
      count = heads * tokens * width
    }
  }

  /// What the first `tokens` tokens stand for, `[heads, tokens, width]`.
  func decoded(tokens: Int) -> Tensor {
    let codes = unpacked(tokens: tokens), groups = group == 0 ? 1 : width / group
    let size = width / groups
    return Tensor.filled([heads, tokens, width]) { destination in
      scales.read { scales in
        offsets.read { offsets in
          for place in codes.indices {
            let head = place / (tokens * width), token = place / width % tokens
            let line = (head * groups + place % width / size) * capacity + token
            let level: Float =
              switch levels {
              case .table(let table): table[Int(codes[place])]
              case .code(let plus): Float(codes[place]) + plus
              }
            let scale = group == 0 ? 1 : Float(Float16(bitPattern: scales[line]))
            let offset =
              self.offsets.count == 0 ? 0 : Float(Float16(bitPattern: offsets[line]))
            destination[place] = scale * level + offset
          }
        }
      }
    }
  }

  /// The buffers by name.
  func parts(_ prefix: String) -> [String: [UInt8]] {
    var parts = [prefix + "codes": codes.contents]
    if scales.count > 0 { parts[prefix + "scales"] = scales.contents }
    if offsets.count > 0 { parts[prefix + "offsets"] = offsets.contents }
    return parts
  }

  mutating func restore(_ snapshot: CacheSnapshot, _ prefix: String) throws(CacheError) {
    codes.setContents(try snapshot.part(prefix + "codes", count: codes.byteCount))
    if scales.count > 0 {
      scales.setContents(try snapshot.part(prefix + "scales", count: scales.byteCount))
    }
    if offsets.count > 0 {
      offsets.setContents(try snapshot.part(prefix + "offsets", count: offsets.byteCount))
    }
  }
}
