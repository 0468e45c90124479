import ArgumentParser
import Foundation
import Gyro

struct BenchCacheCommand: BenchmarkCommand {
  static let configuration = CommandConfiguration(
    commandName: "cache",
    abstract: "Attention of one new token over a long context, cache by cache.",
    discussion: """
      Scores against all keys and the weighted sum of all values, for each layer; 'floor' is how \
      long it takes to read as many bytes once. The last column is against the Float32 cache.

        gyro bench cache
        gyro bench cache --length 4096 --repetitions 50 --json
      """)

  @Option(help: "Runs per figure; the median counts.")
  var repetitions = 20
  @Option(help: "Tokens held; may be repeated. 4096 and 32768 when omitted.")
  var length: [Int] = []
  @Option(help: "Heads with keys and values of their own.")
  var heads = 4
  @Option(help: "Query heads that share each of them.")
  var sharing = 1
  @Option(help: "Elements of a head, a multiple of 32.")
  var headSize = 128
  @OptionGroup var output: OutputOptions

  func validate() throws {
    try checkAtLeastOne([
      "--repetitions": repetitions, "--heads": heads, "--sharing": sharing,
      "--length": length.min() ?? 1,
    ])
    guard headSize > 0, headSize.isMultiple(of: 32) else {
      throw ValidationError("--head-size must be a positive multiple of 32, not \(headSize)")
    }
  }

  func measure(_ found: (CacheBenchmark.Figure) -> Void) throws {
    let benchmark = CacheBenchmark(
      repetitions: repetitions, lengths: length.isEmpty ? [4096, 32768] : length,
      keyValueHeads: heads, sharing: sharing, headSize: headSize)
    try benchmark.run().forEach(found)
  }

  static func row(_ figure: CacheBenchmark.Figure) -> [(text: String, width: Int)] {
    func microseconds(_ value: Double, _ what: String) -> (text: String, width: Int) {
      (Columns.decimal(value, 1) + " µs " + what, -(what.count + 13))
    }
    return [
      (figure.cache, 50), ("\(figure.tokens) tokens", -14), ("\(figure.bytes >> 10) KiB", -12),
      microseconds(figure.scoresMicroseconds, "scores"),
      microseconds(figure.valuesMicroseconds, "values"),
      microseconds(figure.floorMicroseconds, "floor"),
      (Columns.decimal(figure.timesFasterThanFloat32, 2) + "×", -9),
    ]
  }
}
