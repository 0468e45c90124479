import CGyroMatmul
import CGyroParallel
import Foundation
import Gyro

/// What a speed depends on.
struct MachineReport: Encodable {
  let processor: String
  let architecture: String
  /// The instruction sets that kernels look for and this processor has.
  let features: [String]
  let engine: String
  /// Whether products in bfloat16 pieces are faster than Float32 here.
  let splitIsFast: Bool
  let threads: Int
  let processors: Int
  let memoryBytes: Int
  let availableMemoryBytes: Int

  static var current: MachineReport {
    let cpu = fields(of: "/proc/cpuinfo")
    let memory = fields(of: "/proc/meminfo")
    let flags = Set(
      (cpu["flags"] ?? cpu["Features"] ?? "").split(separator: " ").map(String.init))
    func bytes(_ key: String) -> Int {
      (memory[key]?.split(separator: " ").first).flatMap { Int($0) }.map { $0 * 1024 } ?? 0
    }
    return MachineReport(
      processor: cpu["model name"] ?? cpu["CPU implementer"].map { "implementer \($0)" }
        ?? "unknown",
      architecture: architectureName, features: interesting.filter(flags.contains),
      engine: String(cString: gyro_matmul_description()),
      splitIsFast: gyro_matmul_split_is_fast() == 1, threads: Int(gyro_thread_count()),
      processors: ProcessInfo.processInfo.activeProcessorCount,
      memoryBytes: bytes("MemTotal"), availableMemoryBytes: bytes("MemAvailable"))
  }

  static let interesting = [
    "avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx_vnni", "avx512_bf16",
    "amx_tile", "amx_int8", "amx_bf16", "asimd", "asimddp", "i8mm", "bf16", "sve",
  ]

  private static var architectureName: String {
    #if arch(x86_64)
      "x86_64"
    #elseif arch(arm64)
      "aarch64"
    #else
      "other"
    #endif
  }

  /// The first value of each `key : value` line.
  private static func fields(of path: String) -> [String: String] {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [:] }
    var result: [String: String] = [:]
    for line in text.split(separator: "\n") {
      guard let colon = line.firstIndex(of: ":") else { continue }
      let key = line[..<colon].trimmingCharacters(in: .whitespaces)
      if result[key] == nil {
        result[key] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
      }
    }
    return result
  }
}
