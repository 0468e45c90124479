import GyroModels
import GyroQuantization
import GyroTensors

/// How MLX writes the numbers of one of our formats.
///
/// Its affine mode has `value = q · scale + bias`, q unsigned, one scale and bias for 32, 64 or 128
/// neighbors of a row. Whole numbers fit: `(q − 2^(b−1)) · s` has the bias `−2^(b−1) · s`, and
/// `(q − z) · s` the bias `−z · s`. Its block modes are the published ones.
struct MLXCode: Equatable {
  enum Mode: String { case affine, mxfp4, mxfp8, nvfp4 }

  let mode: Mode
  /// Bits of a code in the file.
  let bits: Int
  /// Neighbors that share a scale in the file.
  let group: Int
  /// Affine: what q counts, and what q = 0 stands for without a zero point, in our scales.
  let step: Float, offset: Float

  /// Group sizes of the affine mode, the best first.
  static let groups = [128, 64, 32]
  /// Code widths of the affine mode.
  static let widths = [2, 3, 4, 5, 6, 8]

  /// The code for weights of a shape; nil when MLX has none and they are stored as plain numbers.
  init?(
    _ format: any NumberFormat, _ granularity: Granularity, _ scale: ScaleFormat,
    isSymmetric: Bool, shape: Shape
  ) {
    guard shape.rank == 2, shape.count > 0 else { return nil }
    let columns = shape.columns
    if let float = format as? Minifloat {
      guard let mode = Self.blockMode(float, granularity, scale), columns.isMultiple(of: mode.group)
      else { return nil }
      self.init(mode: mode.mode, bits: float.bits, group: mode.group, step: 1, offset: 0)
      return
    }
    // Two levels of scales are multiplied one after the other, which `q · scale + bias` cannot say.
    guard scale != .e4m3, let group = Self.group(granularity, columns) else { return nil }
    if let integers = format as? IntegerFormat {
      let bits = Self.widths.first { $0 >= integers.bits }!
      self.init(
        mode: .affine, bits: bits, group: group, step: 1,
        offset: isSymmetric ? -Float(1 << (bits - 1)) : 0)
    } else if format as? Codebook == .ternary {
      self.init(mode: .affine, bits: 2, group: group, step: 1, offset: -1)
    } else if format as? Codebook == .binary {
      self.init(mode: .affine, bits: 2, group: group, step: 2, offset: -1)
    } else {
      return nil
    }
  }

  init(mode: Mode, bits: Int, group: Int, step: Float = 1, offset: Float = 0) {
    self.mode = mode
    self.bits = bits
    self.group = group
    self.step = step
    self.offset = offset
  }

  private static func blockMode(
    _ format: Minifloat, _ granularity: Granularity, _ scale: ScaleFormat
  ) -> (mode: Mode, group: Int)? {
    switch (format, granularity, scale) {
    case (.e2m1, .group(32), .e8m0): (.mxfp4, 32)
    case (.e4m3, .group(32), .e8m0): (.mxfp8, 32)
    case (.e2m1, .group(16), .e4m3): (.nvfp4, 16)
    default: nil
    }
  }

  /// The largest group of MLX that lies within ours and divides a row.
  private static func group(_ granularity: Granularity, _ columns: Int) -> Int? {
    let run =
      switch granularity {
      case .tensor, .channel, .token: columns
      case .group(let size), .head(let size): size
      case .block(_, let width): width
      }
    return groups.first { run.isMultiple(of: $0) && columns.isMultiple(of: $0) }
  }

  /// The unsigned code for each of our codes.
  func table(_ format: any NumberFormat, isSymmetric: Bool) -> [UInt8] {
    let mask = UInt8(truncatingIfNeeded: (1 << format.bits) - 1)
    return (0..<256).map { code in
      let code = UInt8(code)
      guard mode == .affine, isSymmetric, format is IntegerFormat else { return code & mask }
      return UInt8(truncatingIfNeeded: Int(format.decode(code)) - Int(offset))
    }
  }

  /// How codes lie in the file: rows are whole words of 32 bits.
  func packing(of shape: Shape) -> BitRows {
    BitRows(rows: shape.rows, columns: shape.columns, bits: bits, wordBytes: 4)
  }

  /// As `config.json` describes it.
  var record: [String: Any] { ["group_size": group, "bits": bits, "mode": mode.rawValue] }

  /// E.g. `affine 4 bits, groups of 64`.
  var summary: String {
    mode == .affine ? "affine \(bits) bits, groups of \(group)" : mode.rawValue
  }
}
