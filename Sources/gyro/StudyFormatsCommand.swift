import ArgumentParser
import Foundation
import Gyro

struct StudyFormatsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "formats",
    abstract: "How much of a signal each number format keeps, in decibels.",
    discussion: """
      Six decibels are one bit. Every format gets the clip value that suits the signal best. \
      Whole numbers are best where values are spread evenly; the heavier the tails, the more \
      exponent bits pay: t8 and t5 are Student's t, which resembles activations with outliers. \
      Block formats are simulated on 60,000 blocks of 32 values. With --checkpoint the weights of \
      a model are ranked too, beside their kurtosis (3 for normal values, more with outliers).

      Sources: 2208.09225, 2303.17951, OCP Microscaling 1.0.

        gyro study formats
        gyro study formats --checkpoint Checkpoints/digits --json
      """)

  @Option(help: "Rank the weights of this float checkpoint, too.", completion: .directory)
  var checkpoint: String?
  @OptionGroup var options: StudyOptions

  func run() throws {
    try options.present(\FormatStudy.picture, Self.show) { progress in
      try FormatStudy(
        checkpoint: checkpoint.map { URL(fileURLWithPath: $0) }, seed: UInt64(options.seed),
        progress: progress)
    }
  }

  private static func show(_ study: FormatStudy) {
    table("8 bits: signal over error, dB", study.eightBit) { $0.decibels }
    table("8 bits: dot products", study.eightBit) { $0.dotProductDecibels ?? .nan }
    table("fewer bits", study.fewerBits) { $0.decibels }
    table("blocks (simulated)", study.blocks) { $0.decibels }
    print("where two formats are equally good on Student's t")
    for crossing in study.crossings {
      print(
        "  below \(Columns.decimal(crossing.degreesOfFreedom, 2)) degrees of freedom "
          + "\(crossing.heavyTailed), above \(crossing.lightTailed)")
    }
    print("\nnormal values in one format, then converted")
    for chain in study.conversions {
      print(
        "  \(chain.from) \(Columns.decimal(chain.fromDecibels, 2)) dB, then \(chain.to) "
          + "\(Columns.decimal(chain.chainDecibels, 2)) dB "
          + "(\(chain.to) from float \(Columns.decimal(chain.toDecibels, 2)) dB)")
    }
    if let tensors = study.tensors {
      print()
      table("weights of the checkpoint", tensors) { $0.decibels }
    }
  }

  private static func table(
    _ title: String, _ rows: [FormatStudy.Row], _ value: (FormatStudy.Cell) -> Double
  ) {
    guard let first = rows.first else { return }
    let width = max(12, (rows.map { $0.name.count }.max() ?? 0) + 2)
    let hasKurtosis = first.kurtosis != nil
    print(Terminal.standardOutput.bold(title))
    print(
      Columns.row(
        [("", width)] + (hasKurtosis ? [("kurtosis", -10)] : [])
          + first.cells.map { ($0.format, -12) } + (hasKurtosis ? [("best", -8)] : [])))
    for row in rows {
      print(
        Columns.row(
          [(row.name, width)] + (row.kurtosis.map { [(Columns.decimal($0, 2), -10)] } ?? [])
            + row.cells.map { (Columns.decimal(value($0), 2), -12) }
            + (hasKurtosis ? [(row.best, -8)] : [])))
    }
    print()
  }
}
