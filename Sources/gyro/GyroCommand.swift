import ArgumentParser
import Foundation

@main
enum Main {
  /// Usage errors leave with 2 rather than the 64 of sysexits.h; everything else as it is.
  static func main() {
    do {
      var command = try GyroCommand.parseAsRoot()
      try command.run()
    } catch {
      guard GyroCommand.exitCode(for: error) == .validationFailure else {
        GyroCommand.exit(withError: error)
      }
      Terminal.standardError.write(GyroCommand.fullMessage(for: error) + "\n")
      Foundation.exit(2)
    }
  }
}

struct GyroCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gyro",
    abstract: "Quantization-aware training for small models.",
    discussion: """
      Data flows one way: data → model → quantize → train → export. A recipe describes an \
      experiment; 'gyro run' carries it out.

        gyro run Recipes/int8-qat-novelist.yaml
        gyro evaluate runs/int8-qat-novelist/model --text book.txt
        gyro export runs/int8-qat-novelist/model --format gguf --output novelist.gguf

      Results go to standard output, progress and errors to standard error. Exit codes: 0 done, \
      1 failed, 2 usage or recipe error, 130 interrupted (state saved).
      """,
    version: Version.gyro,
    subcommands: [
      RunCommand.self, EvaluateCommand.self, GenerateCommand.self, InspectCommand.self,
      ExportCommand.self, VerifyCommand.self, StudyCommand.self, BenchCommand.self,
      DoctorCommand.self,
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

  static var system: String { ProcessInfo.processInfo.operatingSystemVersionString }
}
