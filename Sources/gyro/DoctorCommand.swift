import ArgumentParser
import CGyroMatmul
import Foundation
import Gyro

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Say what this machine offers and what Gyro makes of it.",
    discussion: """
      Prints processor features, the matrix engines chosen and why, threads, memory and versions. \
      Exits with 1 when something would make every run slow or wrong.

        gyro doctor
        OMP_NUM_THREADS=4 gyro doctor --json
      """)

  @OptionGroup var options: OutputOptions

  func run() throws {
    try reportingErrors {
      let report = Report(machine: .current)
      if options.json {
        try options.print(report)
      } else {
        report.show()
      }
      if !report.problems.isEmpty { throw ExitCode(1) }
    }
  }

  private struct Report: Encodable {
    let machine: MachineReport
    let versions: [String: String]
    let reasons: [String]
    let problems: [String]

    init(machine: MachineReport) {
      self.machine = machine
      versions = [
        "gyro": Version.gyro, "swift": Version.swift, "system": Version.system,
      ]
      reasons = Self.reasons(machine)
      problems = Self.problems(machine)
    }

    func show() {
      func line(_ key: String, _ value: String) { print(Columns.row([(key, 12), (value, 0)])) }
      line("processor", "\(machine.processor) (\(machine.architecture))")
      line("features", machine.features.joined(separator: " "))
      line("engine", machine.engine)
      for reason in reasons { line("", "· " + reason) }
      line("threads", "\(machine.threads) of \(machine.processors) processors")
      line(
        "memory",
        "\(machine.memoryBytes >> 20) MiB, \(machine.availableMemoryBytes >> 20) MiB available")
      for (name, version) in versions.sorted(by: { $0.key < $1.key }) { line(name, version) }
      for problem in problems { line("problem", problem) }
      if problems.isEmpty { print(Terminal.standardOutput.green("ready")) }
    }

    private static func reasons(_ machine: MachineReport) -> [String] {
      let has = Set(machine.features)
      var reasons: [String] = []
      switch gyro_matmul_engine() {
      case Int32(GYRO_ENGINE_AMX):
        reasons.append("INT8 and bfloat16 products run on tiles: the processor has AMX")
      case Int32(GYRO_ENGINE_VNNI):
        reasons.append(
          "INT8 products run in AVX-512 registers: there is avx512_vnni, but no AMX (amx_int8)")
      default:
        reasons.append(
          has.contains("avx512f")
            ? "INT8 products run in plain C: there is AVX-512, but no avx512_vnni"
            : "INT8 products run in plain C: the processor has no AVX-512")
      }
      reasons.append(
        machine.engine.contains("oneDNN")
          ? "Float32 products run in oneDNN (trait OneDNN is on)"
          : "Float32 products run in OpenBLAS (trait OneDNN is off)")
      reasons.append(
        machine.splitIsFast
          ? "precision: tiled-float32 and split-bfloat16 are faster than float32 here"
          : "precision: tiled-float32 and split-bfloat16 are computed as float32 here")
      return reasons
    }

    private static func problems(_ machine: MachineReport) -> [String] {
      var problems: [String] = []
      if machine.availableMemoryBytes > 0, machine.availableMemoryBytes < 1 << 30 {
        problems.append("less than 1 GiB of memory is available; the quick start needs about that")
      }
      return problems
    }
  }
}
