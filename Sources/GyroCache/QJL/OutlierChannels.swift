import CGyroKernels
import GyroTensors

/// The outlier channels of every head and group of 32 tokens, and their numbers where those are kept.
struct OutlierChannels: Sendable {
  /// Outliers of each group.
  let count: Int
  let groups: Int
  private let heads: Int, headSize: Int
  private(set) var indices: CacheBuffer<UInt8>
  /// `[heads][groups][count][32]` Float16, when outliers stay numbers.
  private(set) var numbers: CacheBuffer<UInt16>

  init(_ shape: CacheShape, count: Int, groups: Int, keepsNumbers: Bool) {
    self.count = count
    self.groups = groups
    heads = shape.keyValueHeads
    headSize = shape.headSize
    indices = CacheBuffer(count: heads * groups * count)
    numbers = CacheBuffer(count: keepsNumbers ? heads * groups * 32 * count : 0)
  }

  /// The `count` channels of largest norm over a group's tokens `[32 · heads, headSize]`, ascending;
  /// of equals the first. Result `[heads][count]`.
  static func find(_ keys: Tensor, heads: Int, count: Int) -> [[Int]] {
    let headSize = keys.shape[1]
    return keys.withElements { elements in
      (0..<heads).map { head in
        var squares = [Double](repeating: 0, count: headSize)
        for row in stride(from: head, to: keys.shape[0], by: heads) {
          for channel in 0..<headSize {
            let x = Double(elements[row * headSize + channel])
            squares[channel] += x * x
          }
        }
        let order = (0..<headSize).sorted { (squares[$0], $1) > (squares[$1], $0) }
        return order.prefix(count).sorted()
      }
    }
  }

  /// Finds and stores the outliers of `group`; returns the keys without them, and them alone.
  mutating func split(_ keys: Tensor, group: Int) -> (inliers: Tensor, outliers: Tensor) {
    let channels = Self.find(keys, heads: heads, count: count)
    var inliers = keys, outliers = Tensor.zeros(keys.shape)
    let indexPointer = indices.pointerForWriting(), numberPointer = numbers.pointerForWriting()
    inliers.withMutableElements { inlier in
      outliers.withMutableElements { outlier in
        for head in 0..<heads {
          for (rank, channel) in channels[head].enumerated() {
            indexPointer[(head * groups + group) * count + rank] = UInt8(channel)
            for token in 0..<32 {
              let place = (token * heads + head) * headSize + channel
              outlier[place] = inlier[place]
              inlier[place] = 0
              if numbers.count > 0 {
                let row = (head * groups + group) * count + rank
                numberPointer[row * 32 + token] = Float16(outlier[place]).bitPattern
              }
            }
          }
        }
      }
    }
    withExtendedLifetime(self) {}
    return (inliers, outliers)
  }

  /// Calls `body` with the layout for the kernels; `columns` are those of the sketch they are read of.
  func withOutliers(
    _ queries: Tensor, columns: UnsafePointer<Float>? = nil,
    _ body: (UnsafePointer<gyro_sign_outliers>) -> Void
  ) {
    indices.read { indices in
      queries.withElements { queryElements in
        var outliers = gyro_sign_outliers(
          channels: indices, groups: Int64(groups), count: Int64(count), columns: columns,
          queries: queryElements, head_size: Int64(headSize))
        body(&outliers)
      }
    }
  }

  /// Adds Σ q_c k_c over the kept outliers of the first `tokens` tokens.
  func addScores(
    _ queries: Tensor, queryHeads: Int, tokens: Int, to scores: UnsafeMutablePointer<Float>,
    stride: Int
  ) {
    numbers.read { numbers in
      withOutliers(queries) { outliers in
        gyro_outlier_scores(
          outliers, numbers, Int64(heads), Int64(tokens), Int64(queries.shape[0]),
          Int64(queryHeads), scores, Int64(stride))
      }
    }
  }

  mutating func restore(_ snapshot: CacheSnapshot) throws(CacheError) {
    indices.setContents(try snapshot.part("outlier channels", count: indices.byteCount))
    numbers.setContents(try snapshot.part("outlier numbers", count: numbers.byteCount))
  }
}
