import GyroTensors

/// A cut of each head's channels into parts, told apart by their norm over the first tokens.
struct TurboChannels: Sendable {
  let shape: CacheShape
  /// Channels of a part, in rising order within it; one after the other for each head.
  private var channels: CacheBuffer<UInt16>
  let widths: [Int]

  /// Without outliers, one part, there are no indices to keep.
  init(_ shape: CacheShape, widths: [Int]) {
    self.shape = shape
    self.widths = widths
    channels = CacheBuffer(count: widths.count > 1 ? shape.width : 0)
  }

  var byteCount: Int { channels.byteCount }
  var contents: [UInt8] { channels.contents }
  mutating func setContents(_ bytes: [UInt8]) { channels.setContents(bytes) }

  /// The channels of a part of one head.
  func channels(part: Int, head: Int) -> [Int] {
    guard widths.count > 1 else { return Array(0..<shape.headSize) }
    let first = head * shape.headSize + widths[..<part].reduce(0, +)
    return channels.read { channels in (0..<widths[part]).map { Int(channels[first + $0]) } }
  }

  /// Gives the first part the channels of largest norm in rows `[tokens, heads · headSize]`; of
  /// equals the lower channel.
  mutating func find(_ rows: Tensor) {
    let (heads, size, width) = (shape.keyValueHeads, shape.headSize, shape.width)
    var squares = [Double](repeating: 0, count: width)
    rows.withElements { rows_ in
      for place in 0..<rows.count {
        squares[place % width] += Double(rows_[place]) * Double(rows_[place])
      }
    }
    let outliers = widths[0]
    channels.write { channels in
      for head in 0..<heads {
        let order = (0..<size).sorted {
          let (a, b) = (squares[head * size + $0], squares[head * size + $1])
          return a == b ? $0 < $1 : a > b
        }
        let sorted = order[..<outliers].sorted() + order[outliers...].sorted()
        for (place, channel) in sorted.enumerated() {
          channels[head * size + place] = UInt16(channel)
        }
      }
    }
  }

  /// A part of rows `[count, heads · headSize]`, token by token `[count, heads, width]` or head by
  /// head `[heads, count, width]`. `repeats` neighboring heads of the rows share channels.
  func gathered(_ rows: Tensor, part: Int, repeats: Int = 1, byHead: Bool = false) -> Tensor {
    let size = shape.headSize, heads = shape.keyValueHeads * repeats, width = widths[part]
    let count = rows.count / (heads * size)
    if widths.count == 1, !byHead || heads == 1 { return rows.contiguous() }
    return Tensor.filled([count * heads, width]) { destination in
      rows.withElements { source in
        for head in 0..<heads {
          let channels = channels(part: part, head: head / repeats)
          for row in 0..<count {
            let from = source + (row * heads + head) * size
            let to = destination + (byHead ? head * count + row : row * heads + head) * width
            for (place, channel) in channels.enumerated() { to[place] = from[channel] }
          }
        }
      }
    }
  }

  /// Puts a part `[count, heads, width]` (or `[heads, count, width]`) back into rows.
  func scatter(
    _ values: Tensor, part: Int, repeats: Int = 1, byHead: Bool = false, into rows: inout Tensor
  ) {
    let size = shape.headSize, heads = shape.keyValueHeads * repeats, width = widths[part]
    let count = rows.count / (heads * size)
    rows.withMutableElements { destination in
      values.withElements { source in
        for head in 0..<heads {
          let channels = channels(part: part, head: head / repeats)
          for row in 0..<count {
            let from = source + (byHead ? head * count + row : row * heads + head) * width
            let to = destination + (row * heads + head) * size
            for (place, channel) in channels.enumerated() { to[channel] = from[place] }
          }
        }
      }
    }
  }
}
