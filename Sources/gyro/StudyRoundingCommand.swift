import ArgumentParser
import Foundation
import Gyro

struct StudyRoundingCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rounding",
    abstract: "What rounding weights down, up or at random does to a model.",
    discussion: """
      To the nearest is good; always down or always up ruins a model, because all errors point one \
      way. Random choices are worse on average and wide, yet some beat the nearest: rounding is a \
      choice worth learning, and AdaRound learns it.

      A classifier of 28 × 28 gray images is measured on digits drawn here, a language model on \
      text it samples itself; without --checkpoint the outputs of one made-up layer are measured. \
      The first layer is rounded alone, then all linear layers and convolutions are.

      Sources: 2106.08295 §3.3, 2004.10568 §3.

        gyro study rounding
        gyro study rounding --checkpoint Checkpoints/digits --bits 3 --draws 20
      """)

  @Option(help: "A float checkpoint.", completion: .directory)
  var checkpoint: String?
  @Option(help: "Bits of a weight, 2 to 8.")
  var bits = 4
  @Option(help: "Which weights share a scale: tensor, channel or group-N.")
  var granularity = Granularity.tensor
  @Option(help: "Random roundings to draw.")
  var draws = 100
  @Option(help: "Images or tokens to measure on.")
  var size = 500
  @OptionGroup var options: StudyOptions

  func validate() throws {
    guard IntegerFormat.widths.contains(bits) else {
      throw ValidationError("--bits must be 2 to 8, not \(bits)")
    }
    try checkAtLeastOne(["--draws": draws, "--size": size])
    try StudyOptions.checkForWeights(granularity)
  }

  func run() throws {
    try options.present(\RoundingStudy.picture, Self.show) { progress in
      var choices = RoundingStudy.Options()
      choices.bits = bits
      choices.granularity = granularity
      choices.draws = draws
      choices.size = size
      choices.seed = UInt64(options.seed)
      guard let checkpoint else { return try RoundingStudy(choices, progress: progress) }
      return try RoundingStudy(
        checkpoint: URL(fileURLWithPath: checkpoint), choices, progress: progress)
    }
  }

  private static func show(_ study: RoundingStudy) {
    let isAccuracy = study.figure == "accuracy"
    func cell(_ value: Double) -> String {
      isAccuracy ? Columns.decimal(100 * value, 2) + " %" : Columns.decimal(value, 2)
    }
    let figure = study.figure == "output_decibels" ? "signal over error, dB" : study.figure
    print(
      "\(study.subject), int\(study.bits) per \(study.granularity): \(figure)"
        + (study.float.map { ", \(cell($0)) in float" } ?? ""))
    let width = max(14, (study.scopes.map { $0.name.count }.max() ?? 0) + 2)
    print(
      Columns.row([
        ("", width), ("nearest", -11), ("floor", -11), ("ceiling", -11), ("stochastic", -22),
        ("best", -11), ("beat nearest", -14),
      ]))
    for scope in study.scopes {
      let draws = scope.stochastic
      print(
        Columns.row([
          (scope.name, width), (cell(scope.nearest), -11), (cell(scope.floor), -11),
          (cell(scope.ceiling), -11), ("\(cell(draws.mean)) ± \(cell(draws.deviation))", -22),
          (cell(draws.best), -11), ("\(draws.betterThanNearest) of \(draws.figures.count)", -14),
        ]))
    }
  }
}
