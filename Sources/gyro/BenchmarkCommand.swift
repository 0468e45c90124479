import ArgumentParser
import Gyro

/// A subcommand of `gyro bench`: a row of text for each figure as it comes, or one JSON object.
protocol BenchmarkCommand: ParsableCommand {
  associatedtype Figure: Encodable
  var output: OutputOptions { get }
  /// What the work is, where a benchmark has a name for it.
  var workload: String? { get }
  /// Measures, and hands over each figure when it is there.
  func measure(_ found: (Figure) -> Void) throws
  static func row(_ figure: Figure) -> [(text: String, width: Int)]
}

extension BenchmarkCommand {
  var workload: String? { nil }

  func run() throws {
    try reportingErrors {
      var figures: [Figure] = []
      try measure { figure in
        figures.append(figure)
        if !output.json { print(Columns.row(Self.row(figure))) }
      }
      guard output.json else { return }
      try output.print(
        BenchReport(
          benchmark: Self.configuration.commandName ?? "", workload: workload, machine: .current,
          figures: figures))
    }
  }
}

/// What a benchmark prints as JSON.
struct BenchReport<Figure: Encodable>: Encodable {
  let benchmark: String
  /// Left out when it is nil.
  let workload: String?
  let machine: MachineReport
  let figures: [Figure]
}

/// - Throws: `ValidationError` naming the first option below 1.
func checkAtLeastOne(_ options: KeyValuePairs<String, Int>) throws {
  for (name, value) in options where value < 1 {
    throw ValidationError("\(name) must be at least 1, not \(value)")
  }
}
