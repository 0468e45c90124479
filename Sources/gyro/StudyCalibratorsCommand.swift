import ArgumentParser
import Foundation
import Gyro

struct StudyCalibratorsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrators",
    abstract: "How well each way to find a range does on the tensors of a model.",
    discussion: """
      A range that is too wide rounds coarsely, one that is too narrow clips. For every weight \
      and everything that flows into a layer this prints how much of the signal INT8 and INT4 \
      keep under each method, in decibels (six are one bit), beside the kurtosis (3 for normal \
      values, more with outliers). Activations come from digits drawn here or from text that the \
      model samples itself; they have one scale and a zero point, weights are symmetric.

      Sources: 2004.09602 §5, 2106.08295 §3.1.

        gyro study calibrators Checkpoints/digits
        gyro study calibrators Checkpoints/novelist --size 0 --json
      """)

  @Argument(help: "A float checkpoint.", completion: .directory)
  var checkpoint: String
  @Option(help: "Which weights share a scale: tensor, channel or group-N.")
  var granularity = Granularity.tensor
  @Option(help: "Images or tokens to take activations from; 0 for weights only.")
  var size = 64
  @OptionGroup var options: StudyOptions

  func validate() throws {
    if size < 0 { throw ValidationError("--size must be at least 0, not \(size)") }
    try StudyOptions.checkForWeights(granularity)
  }

  func run() throws {
    try options.present(\CalibratorStudy.picture, Self.show) { progress in
      var choices = CalibratorStudy.Options()
      choices.granularity = granularity
      choices.size = size
      choices.seed = UInt64(options.seed)
      return try CalibratorStudy(
        checkpoint: URL(fileURLWithPath: checkpoint), choices, progress: progress)
    }
  }

  private static func show(_ study: CalibratorStudy) {
    let width = max(12, (study.rows.map { $0.name.count }.max() ?? 0) + 2)
    for kind in ["weight", "activation"] {
      let rows = study.rows.filter { $0.kind == kind }
      guard !rows.isEmpty else { continue }
      for format in study.formats {
        let scales = kind == "weight" ? "\(study.granularity)" : "tensor"
        let title = "\(kind)s in \(format) per \(scales): signal over error, dB"
        print(Terminal.standardOutput.bold(title))
        print(
          Columns.row(
            [("", width), ("kurtosis", -10)] + study.methods.map { ($0, -cellWidth($0)) }))
        for row in rows {
          print(
            Columns.row(
              [(row.name, width), (Columns.decimal(row.kurtosis, 2), -10)]
                + study.methods.map { method in
                  let value = row.decibels(format, method) ?? .nan
                  return (Columns.decimal(value, 2), -cellWidth(method))
                }))
        }
        let summaries = study.summaries.filter { $0.kind == kind && $0.format == format }
        print(
          Columns.row(
            [("mean", width), ("", -10)]
              + summaries.map { (Columns.decimal($0.meanDecibels, 2), -cellWidth($0.method)) }))
        print(
          Columns.row(
            [("best on", width), ("", -10)]
              + summaries.map { ("\($0.best) of \($0.tensors)", -cellWidth($0.method)) }))
        print()
      }
    }
  }

  private static func cellWidth(_ method: String) -> Int { max(10, method.count + 2) }
}
