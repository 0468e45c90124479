import ArgumentParser
import Foundation
import Gyro

struct StudyOutliersCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "outliers",
    abstract: "Give a model the outlier channels of large ones and show them.",
    discussion: """
      A small model has hardly any activation outliers, so rotating it wins little. Its outlier \
      twin computes the same and has them: the residual stream and the value heads turn to their \
      principal axes, and about 2 % of the channels of values, keys and feed-forward blocks are \
      scaled up, what reads them down. For every site that schemes quantize this prints how far \
      the largest channel stands out over the median one (in root mean squares), and the kurtosis \
      (3 for normal values), of the model and of the twin. The stage 'outliers' of a recipe makes \
      the same twin.

        gyro study outliers Checkpoints/novelist --picture outliers.svg
        gyro study outliers Checkpoints/novelist --strength 50 --json
      """)

  @Argument(help: "A float checkpoint of the Llama family.", completion: .directory)
  var checkpoint: String
  @Option(help: "How far outlier channels stand out over the median one.")
  var strength = 20.0
  @Option(help: "Tokens that the model samples, to look at.")
  var size = 4096
  @OptionGroup var options: StudyOptions

  func validate() throws {
    if !(1...1000).contains(strength) {
      throw ValidationError("--strength must be between 1 and 1000, not \(strength)")
    }
    if size < 2 { throw ValidationError("--size must be at least 2, not \(size)") }
  }

  func run() throws {
    try options.present(\OutlierStudy.picture, Self.show) { progress in
      var choices = OutlierStudy.Options()
      choices.strength = strength
      choices.size = size
      choices.seed = UInt64(options.seed)
      return try OutlierStudy(
        checkpoint: URL(fileURLWithPath: checkpoint), choices, progress: progress)
    }
  }

  private static func show(_ study: OutlierStudy) {
    print(Terminal.standardOutput.bold(study.subject))
    print(
      "strength \(Columns.decimal(study.strength, 1)), \(study.tokens) tokens; logits of model and "
        + "twin differ by \(study.largestLogitDifference) at most\n")
    let width = max(12, (study.rows.map { $0.site.count }.max() ?? 0) + 2)
    print(
      Columns.row([
        ("", width), ("largest over median", -22), ("twin", -10), ("kurtosis", -12), ("twin", -10),
      ]))
    for row in study.rows {
      let figures = [
        (row.peakBefore, -22), (row.peakAfter, -10), (row.kurtosisBefore, -12),
        (row.kurtosisAfter, -10),
      ]
      print(
        Columns.row([(row.site, width)] + figures.map { (Columns.decimal($0.0, 2), $0.1) }))
    }
  }
}
