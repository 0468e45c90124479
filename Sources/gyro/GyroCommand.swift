import ArgumentParser
import Foundation

@main
struct GyroCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gyro",
    abstract: "Quantization-aware training for small models.",
    discussion: """
      Data flows one way: data → model → quantize → train → export. A recipe describes an \
      experiment; 'gyro run' carries it out.

        gyro run Recipes/int8-qat-novelist.yaml
        gyro evaluate runs/int8-qat-novelist/checkpoint --text book.txt

      Results go to standard output, progress and errors to standard error. Exit codes: 0 done, \
      1 failed, 2 usage or recipe error, 130 interrupted (state saved).
      """,
    version: Version.gyro,
    subcommands: [
      RunCommand.self, EvaluateCommand.self, GenerateCommand.self, InspectCommand.self,
      BenchCommand.self, DoctorCommand.self,
    ])
}

/// Versions of what is inside and around.
enum Version {
  static let gyro = "0.1.0"

  /// The compiler this program was made with, as far as it tells.
  static var swift: String {
    #if compiler(>=6.3)
      "6.3 or newer"
    #elseif compiler(>=6.2)
      "6.2"
    #else
      "6.1"
    #endif
  }

  static var kernel: String { ProcessInfo.processInfo.operatingSystemVersionString }

  static var library: String {
    #if canImport(Glibc)
      "glibc " + String(cString: gnu_get_libc_version())
    #else
      "unknown"
    #endif
  }
}
