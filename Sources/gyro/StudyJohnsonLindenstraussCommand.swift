import ArgumentParser
import Foundation
import Gyro

struct StudyJohnsonLindenstraussCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "johnson-lindenstrauss",
    abstract: "How well random matrices keep scalar products.",
    discussion: """
      Vectors of N numbers are projected to M by four kinds of random matrices: signs, normal \
      numbers, normal rows made orthogonal in blocks of N, and rows of Hadamard matrices with random \
      signs. For every kind this prints the mean of (AᵀA − I)² and the variance of a scalar product \
      over draws, each beside its closed form, and how the error falls with M: as its root where \
      entries are independent, and not at all any more where orthogonal rows come in whole blocks.

      This is the ground that QJL stands on (2406.03482 §3); sketches of caches are such matrices.

        gyro study johnson-lindenstrauss --picture projections.svg
        gyro study johnson-lindenstrauss --columns 128 --rows 64 --rows 256 --draws 1000 --json
      """)

  @Option(help: "Numbers in a vector, N; may be repeated.")
  var columns: [Int] = []
  @Option(help: "Numbers in its projection, M; may be repeated.")
  var rows: [Int] = []
  @Option(help: "Matrices drawn for each figure.")
  var draws = 100
  @Option(help: "Pairs of vectors that each matrix projects.")
  var pairs = 16
  @Option(help: "The cosine of each pair, −1 to 1.")
  var cosine = 0.5
  @OptionGroup var options: StudyOptions

  func validate() throws {
    try checkAtLeastOne([
      "--columns": columns.min() ?? 1, "--rows": rows.min() ?? 1, "--draws": draws,
      "--pairs": pairs,
    ])
    if !(-1...1).contains(cosine) {
      throw ValidationError("--cosine must be from -1 to 1, not \(cosine)")
    }
  }

  func run() throws {
    try options.present(\JohnsonLindenstraussStudy.picture, { print($0.table) }) { progress in
      var choices = JohnsonLindenstraussStudy.Options()
      if !columns.isEmpty { choices.columns = columns }
      if !rows.isEmpty { choices.rows = rows }
      choices.draws = draws
      choices.pairs = pairs
      choices.cosine = cosine
      choices.seed = UInt64(options.seed)
      return try JohnsonLindenstraussStudy(choices, progress: progress)
    }
  }
}
