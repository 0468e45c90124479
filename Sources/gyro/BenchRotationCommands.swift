import ArgumentParser
import Foundation
import Gyro

struct BenchHadamardCommand: BenchmarkCommand {
  static let configuration = CommandConfiguration(
    commandName: "hadamard",
    abstract: "Hadamard transforms: nanoseconds per element, alone and before a quantizer.",
    discussion: """
      The first line, 'copy', reads and writes as many floats and does nothing else. Sizes that are \
      no power of two are built of a smaller matrix and a power of two.

        gyro bench hadamard
        gyro bench hadamard --size 4096 --size 11008 --json
      """)

  @Option(help: "Runs per figure; the median counts.")
  var repetitions = 20
  @Option(help: "Length of a row; may be repeated. 1024, 4096 and 11008 when omitted.")
  var size: [Int] = []
  @Option(help: "Elements of the matrix, about.")
  var elements = 4096 * 4096
  @OptionGroup var output: OutputOptions

  func validate() throws {
    try checkAtLeastOne([
      "--repetitions": repetitions, "--size": size.min() ?? 1, "--elements": elements,
    ])
  }

  func measure(_ found: (HadamardBenchmark.Figure) -> Void) throws {
    let benchmark = HadamardBenchmark(
      repetitions: repetitions, elements: elements,
      sizes: size.isEmpty ? [1024, 4096, 11008] : size)
    try benchmark.run().forEach(found)
  }

  static func row(_ figure: HadamardBenchmark.Figure) -> [(text: String, width: Int)] {
    func nanoseconds(_ value: Double, _ what: String) -> (text: String, width: Int) {
      (Columns.decimal(value, 3) + " ns" + what, -(what.count + 11))
    }
    return [
      ("\(figure.rows)×\(figure.size)", 16), (figure.construction, 54),
      nanoseconds(figure.nanosecondsPerElement, ""),
      nanoseconds(figure.inPlaceNanoseconds, " in place"),
      nanoseconds(figure.withQuantizerNanoseconds, " with int4"),
      (Columns.decimal(figure.gigabytesPerSecond, 1) + " GB/s", -12),
    ]
  }
}

struct BenchCayleyCommand: BenchmarkCommand {
  static let configuration = CommandConfiguration(
    commandName: "cayley",
    abstract: "Steps of a learned rotation: milliseconds, and how orthogonal it stays.",
    discussion: """
      One step of each rule given the gradient. The residuals are max|RRᵀ − I| and max|RᵀR − I| \
      after all steps, without a projection in between. The rule as it was published is measured up \
      to 512 rows: it is worked out in Float64.

        gyro bench cayley
        gyro bench cayley --size 512 --repetitions 20 --json
      """)

  @Option(help: "Steps that count; the median does.")
  var repetitions = 9
  @Option(help: "Rows and columns; may be repeated. 512, 1024 and 2048 when omitted.")
  var size: [Int] = []
  @Option(help: "Steps before the residuals are taken.")
  var steps = 20
  @OptionGroup var output: OutputOptions

  func validate() throws {
    try checkAtLeastOne([
      "--repetitions": repetitions, "--size": size.min() ?? 1, "--steps": steps,
    ])
  }

  func measure(_ found: (CayleyBenchmark.Figure) -> Void) throws {
    let benchmark = CayleyBenchmark(
      repetitions: repetitions, sizes: size.isEmpty ? [512, 1024, 2048] : size, steps: steps)
    try benchmark.run().forEach(found)
  }

  static func row(_ figure: CayleyBenchmark.Figure) -> [(text: String, width: Int)] {
    [
      (figure.rule, 64), ("\(figure.size)", -6),
      (Columns.decimal(figure.millisecondsPerStep, 1) + " ms/step", -16),
      (String(format: "%.1e rows", figure.rowResidual), -16),
      (String(format: "%.1e columns", figure.columnResidual), -18),
      ("after \(figure.steps) steps", -16),
    ]
  }
}

struct BenchGPTQCommand: BenchmarkCommand {
  static let configuration = CommandConfiguration(
    commandName: "gptq",
    abstract: "Rounding a layer by GPTQ: seconds for the Hessian and for the columns.",
    discussion: """
      One layer takes one Hessian, the product of its calibration inputs with themselves, and one \
      rounding.

        gyro bench gptq
        gyro bench gptq --size 512 --tokens 8192 --json
      """)

  @Option(help: "Runs per figure; the median counts.")
  var repetitions = 5
  @Option(help: "Rows and columns of the weight, a multiple of 128.")
  var size = 1024
  @Option(help: "Rows of calibration inputs.")
  var tokens = 32768
  @OptionGroup var output: OutputOptions

  func validate() throws {
    try checkAtLeastOne(["--repetitions": repetitions, "--tokens": tokens])
    guard size > 0, size.isMultiple(of: 128) else {
      throw ValidationError("--size must be a positive multiple of 128, not \(size)")
    }
  }

  func measure(_ found: (GPTQBenchmark.Figure) -> Void) throws {
    try GPTQBenchmark(repetitions: repetitions, size: size, tokens: tokens).run().forEach(found)
  }

  static func row(_ figure: GPTQBenchmark.Figure) -> [(text: String, width: Int)] {
    [
      (figure.work, 34), (Columns.decimal(figure.seconds, 4) + " s", -12),
      (figure.gigaflops > 0 ? Columns.decimal(figure.gigaflops, 0) + " G/s" : "", -14),
    ]
  }
}
