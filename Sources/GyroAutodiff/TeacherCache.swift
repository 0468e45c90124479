import CGyroKernels
public import GyroTensors

/// What a teacher said, kept for later steps: per position the k largest logits, and the rest of
/// the vocabulary as one number. A row of V logits takes 8k + 4 bytes instead of 4V.
///
/// The teacher's distribution is over k + 1 buckets, the k kept classes and "any other":
/// ```
/// Z   = Σ_kept e^(t_i / T) + e^R           R = ln Σ_others e^(t_j / T), which is stored
/// p_i = e^(t_i / T) / Z                    p_rest = e^R / Z
/// ```
/// so kept probabilities are exact, not renormalized among themselves. For k = V nothing is lost.
public struct TeacherCache: Sendable {
  /// The kept classes of each row, in rising order: `rows · k`.
  public let indices: [Int32]
  /// The kept logits, `[rows, k]`.
  public let logits: Tensor
  /// R of each row, `[rows]`.
  public let rest: Tensor
  /// V.
  public let classes: Int
  /// T; the rest is only right for this one.
  public let temperature: Float

  /// The number of logits kept per row.
  public var kept: Int { logits.shape.columns }
  /// The number of positions.
  public var rows: Int { logits.shape.rows }

  /// Keeps the largest logits of each row of `[…, classes]`; of equal ones those of lower classes.
  /// - Parameter kept: k, from 1 to the number of classes; a larger one keeps all.
  public init(logits: Tensor, keeping kept: Int, temperature: Float = 1) {
    let (rows, columns) = (logits.shape.rows, logits.shape.columns)
    precondition(kept >= 1, "TeacherCache: at least one logit must be kept, not \(kept)")
    precondition(temperature > 0, "TeacherCache: the temperature must be positive: \(temperature)")
    let k = min(kept, columns)
    var values = Tensor(uninitialized: [rows, k])
    var rest = Tensor(uninitialized: [rows])
    indices = logits.contiguous().withElements { source in
      [Int32](unsafeUninitializedCapacity: rows * k) { buffer, count in
        values.withMutableElements { values in
          rest.withMutableElements {
            gyro_top_logits(
              source, Int64(rows), Int64(columns), Int64(k), 1 / temperature,
              buffer.baseAddress, values, $0)
          }
        }
        count = rows * k
      }
    }
    self.logits = values
    self.rest = rest
    classes = columns
    self.temperature = temperature
  }

  /// A cache put together from its parts, e.g. read from a file.
  public init(
    indices: [Int32], logits: Tensor, rest: Tensor, classes: Int, temperature: Float
  ) {
    precondition(
      indices.count == logits.count && rest.count == logits.shape.rows,
      "TeacherCache: \(indices.count) classes, logits \(logits.shape) and rest \(rest.shape) "
        + "do not belong together")
    self.indices = indices
    self.logits = logits.contiguous()
    self.rest = rest.contiguous()
    self.classes = classes
    self.temperature = temperature
  }

  /// Some of the rows.
  public func rows(_ range: Range<Int>) -> TeacherCache {
    TeacherCache(
      indices: Array(indices[range.lowerBound * kept..<range.upperBound * kept]),
      logits: logits.sliced(axis: 0, range), rest: rest.sliced(axis: 0, range), classes: classes,
      temperature: temperature)
  }
}
