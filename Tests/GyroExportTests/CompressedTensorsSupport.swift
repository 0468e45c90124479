import Foundation
import GyroCheckpoints
import GyroModels
import GyroQuantization
import GyroTensors

@testable import GyroExport

/// Bytes written as hexadecimal digits.
func bytes(_ hexadecimal: String) -> [UInt8] {
  let digits = Array(hexadecimal.utf8)
  return stride(from: 0, to: digits.count, by: 2).map { place in
    UInt8(String(decoding: digits[place...place + 1], as: UTF8.self), radix: 16)!
  }
}

/// Numbers of Float32 written as hexadecimal digits.
func floats(_ hexadecimal: String) -> [Float] {
  bytes(hexadecimal).withUnsafeBytes { raw in
    (0..<raw.count / 4).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
  }
}

/// A file of goldens.
func golden(_ name: String) throws -> [String: Any] {
  let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Goldens/\(name)")
  return try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any] ?? [:]
}

/// The rules of weights that the layout carries, with the name a report gives them.
let carriedRules: [(rule: QuantizationRule, storage: String)] = [
  (QuantizationRule(format: "int8"), "pack-quantized int8 channel"),
  (QuantizationRule(format: "int8", granularity: .tensor), "int-quantized int8 tensor"),
  (QuantizationRule(format: "int4", granularity: .group(32)), "pack-quantized int4 group-32"),
  (
    QuantizationRule(format: "int4", granularity: .group(16), scale: .bfloat16),
    "pack-quantized int4 group-16"
  ),
  (
    QuantizationRule(format: "int4", granularity: .group(32), isSymmetric: false),
    "pack-quantized int4 group-32 asymmetric"
  ),
  (
    QuantizationRule(format: "int3", isSymmetric: false), "pack-quantized int3 channel asymmetric"
  ),
  (
    QuantizationRule(format: "int5", granularity: .tensor, isSymmetric: false),
    "int-quantized int5 tensor asymmetric"
  ),
  (QuantizationRule(format: "int2", granularity: .group(32)), "pack-quantized int2 group-32"),
  (QuantizationRule(format: "int3-restricted"), "pack-quantized int3 channel"),
  (QuantizationRule(format: "int4-half-range"), "pack-quantized int4 channel"),
  (QuantizationRule(format: "int5"), "pack-quantized int5 channel"),
  (QuantizationRule(format: "int6"), "pack-quantized int6 channel"),
  (QuantizationRule(format: "int7", scale: .powerOfTwo), "pack-quantized int7 channel"),
  (
    QuantizationRule(format: "int8", granularity: .block(rows: 32, columns: 32)),
    "int-quantized int8 block-32x32"
  ),
  (QuantizationRule(format: "mxint8"), "pack-quantized int8 group-32"),
  (QuantizationRule(format: "binary"), "pack-quantized int2 channel"),
  (QuantizationRule(format: "ternary", estimator: "twn"), "pack-quantized int2 channel"),
  (QuantizationRule(format: "pot4"), "pack-quantized int8 channel"),
  (QuantizationRule(format: "e4m3"), "float-quantized fp8 channel"),
  (QuantizationRule(format: "e4m3", granularity: .tensor), "float-quantized fp8 tensor"),
  (
    QuantizationRule(format: "e4m3", granularity: .block(rows: 32, columns: 32)),
    "float-quantized fp8 block-32x32"
  ),
  (QuantizationRule(format: "e3m2"), "float-quantized fp8 channel"),
  (QuantizationRule(format: "e2m1", granularity: .group(32)), "float-quantized fp8 group-32"),
  (QuantizationRule(format: "mxfp8"), "mxfp8-quantized fp8 group-32"),
  (QuantizationRule(format: "mxfp6-e3m2"), "mxfp8-quantized fp8 group-32"),
  (QuantizationRule(format: "mxfp6-e2m3"), "mxfp6-pack-quantized fp6 group-32"),
  (QuantizationRule(format: "mxfp4"), "mxfp4-pack-quantized fp4 group-32"),
  (QuantizationRule(format: "nvfp4"), "nvfp4-pack-quantized fp4 group-16"),
]
