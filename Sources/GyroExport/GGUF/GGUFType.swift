import GyroCheckpoints

/// The tensor types of ggml that are written or read here: elements come in blocks that share scales.
///
/// Block by block (`d`, `m`, `s`, `q` are numbers in the file; sub-blocks are runs of a block):
///
/// | type | elements / bytes | value |
/// |---|---|---|
/// | Q8_0, Q5_0, Q4_0 | 32 / 34, 22, 18 | `d·q`, `d·(q − 16)`, `d·(q − 8)` |
/// | Q5_1, Q4_1 | 32 / 24, 20 | `d·q + m` |
/// | Q4_K, Q5_K | 256 / 144, 176 | `d·sᵢ·q − m·mᵢ`, eight sub-blocks |
/// | Q6_K | 256 / 210 | `d·sᵢ·(q − 32)`, sixteen sub-blocks |
/// | TQ1_0, TQ2_0 | 256 / 54, 66 | `d·(q − 1)` |
/// | MXFP4 | 32 / 17 | `E2M1(q)·2^(e − 127)` |
/// | NVFP4 | 64 / 36 | `E2M1(q)·E4M3(dᵢ)`, four sub-blocks, times a tensor of one number |
///
/// Source: ggml's `ggml-common.h` and `ggml-quants.c`.
enum GGUFType: UInt32, CaseIterable, Sendable {
  case f32 = 0
  case f16 = 1
  case q40 = 2
  case q41 = 3
  case q50 = 6
  case q51 = 7
  case q80 = 8
  case q4K = 12
  case q5K = 13
  case q6K = 14
  case bf16 = 30
  case tq10 = 34
  case tq20 = 35
  case mxfp4 = 39
  case nvfp4 = 40

  /// The name ggml gives it.
  var name: String { properties.name }
  /// Elements of a block; a row is a whole number of blocks.
  var blockSize: Int { properties.size }
  /// Bytes of a block.
  var blockBytes: Int { properties.bytes }
  /// What `general.file_type` says of a file that is mostly of this type.
  var fileType: UInt32 { properties.fileType }
  /// Elements of a block that share a scale.
  var runLength: Int { properties.run }

  private struct Properties {
    let name: String
    let size: Int, bytes: Int, run: Int
    let fileType: UInt32
  }

  private var properties: Properties {
    switch self {
    case .f32: Properties(name: "F32", size: 1, bytes: 4, run: 1, fileType: 0)
    case .f16: Properties(name: "F16", size: 1, bytes: 2, run: 1, fileType: 1)
    case .bf16: Properties(name: "BF16", size: 1, bytes: 2, run: 1, fileType: 32)
    case .q40: Properties(name: "Q4_0", size: 32, bytes: 18, run: 32, fileType: 2)
    case .q41: Properties(name: "Q4_1", size: 32, bytes: 20, run: 32, fileType: 3)
    case .q50: Properties(name: "Q5_0", size: 32, bytes: 22, run: 32, fileType: 8)
    case .q51: Properties(name: "Q5_1", size: 32, bytes: 24, run: 32, fileType: 9)
    case .q80: Properties(name: "Q8_0", size: 32, bytes: 34, run: 32, fileType: 7)
    case .q4K: Properties(name: "Q4_K", size: 256, bytes: 144, run: 32, fileType: 15)
    case .q5K: Properties(name: "Q5_K", size: 256, bytes: 176, run: 32, fileType: 17)
    case .q6K: Properties(name: "Q6_K", size: 256, bytes: 210, run: 16, fileType: 18)
    case .tq10: Properties(name: "TQ1_0", size: 256, bytes: 54, run: 256, fileType: 36)
    case .tq20: Properties(name: "TQ2_0", size: 256, bytes: 66, run: 256, fileType: 37)
    case .mxfp4: Properties(name: "MXFP4", size: 32, bytes: 17, run: 32, fileType: 38)
    case .nvfp4: Properties(name: "NVFP4", size: 64, bytes: 36, run: 16, fileType: 39)
    }
  }

  /// The type of plain numbers this is; nil for one with scales.
  var scalarType: ScalarType? {
    switch self {
    case .f32: .float32
    case .f16: .float16
    case .bf16: .bfloat16
    default: nil
    }
  }

  /// The type that holds plain numbers of a scalar type; nil when there is none.
  init?(_ type: ScalarType) {
    switch type {
    case .float32: self = .f32
    case .float16: self = .f16
    case .bfloat16: self = .bf16
    default: return nil
    }
  }

  /// The types that can be written, by the names `ExportOptions.storage` uses.
  static let storages: [(name: String, type: GGUFType)] = [
    GGUFType.q40, .q41, .q50, .q51, .q80, .q4K, .q6K, .tq10, .tq20, .mxfp4, .nvfp4, .f16, .bf16,
    .f32,
  ].map { ($0.name.lowercased(), $0) }

  /// Bytes of so many elements, a whole number of blocks; nil when that overflows.
  func byteCount(_ elements: Int) -> Int? {
    let (bytes, overflow) = (elements / blockSize).multipliedReportingOverflow(by: blockBytes)
    return overflow ? nil : bytes
  }
}
