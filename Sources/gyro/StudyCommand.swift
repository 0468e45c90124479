public import ArgumentParser
import Foundation
public import Gyro

struct StudyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "study",
    abstract: "Reproduce what papers found about formats, rounding, ranges and caches.",
    discussion: """
      Studies need no data: they compute exactly, or draw what they need from a seed. Each prints \
      a table, --json prints one object, and --picture writes a picture that any browser shows.

        gyro study formats --picture formats.svg
        gyro study rounding --checkpoint Checkpoints/digits
        gyro study calibrators Checkpoints/novelist
        gyro study cache Checkpoints/novelist --cache int4 --cache turbo:bits=3
        gyro study johnson-lindenstrauss
      """,
    subcommands: [
      StudyFormatsCommand.self, StudyRoundingCommand.self, StudyCalibratorsCommand.self,
      StudyOutliersCommand.self, StudyRotationsCommand.self, StudyCacheCommand.self,
      StudyJohnsonLindenstraussCommand.self,
    ])
}

/// What all studies take.
struct StudyOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Also draw the result, as SVG.", valueName: "file.svg"),
    completion: .file(extensions: ["svg"]))
  var picture: String?
  @Option(help: "Seed of everything that is drawn.")
  var seed = 0
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if seed < 0 { throw ValidationError("--seed must be at least 0, not \(seed)") }
  }

  /// Granularities whose groups are contiguous runs of a weight.
  static func checkForWeights(_ granularity: Granularity) throws {
    switch granularity {
    case .tensor, .channel, .group: break
    case .token, .head, .block:
      throw ValidationError("--granularity must be tensor, channel or group-N, not \(granularity)")
    }
  }

  /// Runs a study, writes its picture, prints it.
  func present<Study: Encodable>(
    _ picture: (Study) -> String, _ show: (Study) -> Void,
    _ work: (@escaping (ExperimentEvent) -> Void) throws -> Study
  ) throws {
    try reportingErrors {
      let view = RunView(output)
      let study = try work(view.show)
      view.clear()
      if let file = self.picture {
        try StudyPicture.write(picture(study), to: URL(fileURLWithPath: file))
        output.note("picture: \(file)")
      }
      if output.json {
        try output.print(study)
      } else {
        show(study)
      }
    }
  }
}

extension Granularity: ExpressibleByArgument {}
