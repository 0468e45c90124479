public import ArgumentParser
public import Gyro

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure speed on this machine.",
    discussion: """
      'train' runs whole training steps of a 29.5-million-parameter Llama on batches of 8 × 256 \
      tokens in Float32, in bfloat16 pieces and under simulated INT8; 'matmul' runs the matrix \
      products inside it; 'quantize' runs simulated quantization alone; 'cache' attends to a long \
      context; 'hadamard', 'cayley' and 'gptq' run the parts of rotations and of rounding by GPTQ.

        gyro bench train
        gyro bench train --only float32 --only w8a8 --steps 9 --json
      """,
    subcommands: [
      BenchTrainCommand.self, BenchMatmulCommand.self, BenchQuantizeCommand.self,
      BenchCacheCommand.self, BenchHadamardCommand.self, BenchCayleyCommand.self,
      BenchGPTQCommand.self,
    ],
    defaultSubcommand: BenchTrainCommand.self)
}

struct BenchTrainCommand: BenchmarkCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Training steps: tokens per second and peak memory.",
    discussion: """
      Prints the median of the steps after two that do not count.

        gyro bench train --steps 9
        gyro bench train --only w8a8 --json
      """)

  @Option(help: "Steps that count.")
  var steps = 5
  @Option(help: "Steps before them that do not.")
  var warmup = 2
  @Option(help: ArgumentHelp("Measure only this; may be repeated.", valueName: "name"))
  var only: [TrainingBenchmark.Arithmetic] = []
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard steps > 0, warmup >= 0 else {
      throw ValidationError("--steps must be at least 1 and --warmup at least 0")
    }
  }

  var workload: String? { benchmark.workload.name }
  private var benchmark: TrainingBenchmark { TrainingBenchmark(steps: steps, warmup: warmup) }

  func measure(_ found: (TrainingBenchmark.Figure) -> Void) throws {
    for arithmetic in only.isEmpty ? TrainingBenchmark.Arithmetic.allCases : only {
      output.note("measuring \(arithmetic.rawValue) …")
      found(try benchmark.run(arithmetic))
    }
  }

  static func row(_ figure: TrainingBenchmark.Figure) -> [(text: String, width: Int)] {
    [
      (figure.name, 22),
      ("\(Int(figure.tokensPerSecond.rounded())) tokens/s", -18),
      (Columns.decimal(figure.secondsPerStep * 1000, 1) + " ms/step", -18),
      ("\(figure.peakResidentBytes >> 20) MiB peak", -16),
    ]
  }
}

extension TrainingBenchmark.Arithmetic: ExpressibleByArgument {}

struct BenchMatmulCommand: BenchmarkCommand {
  static let configuration = CommandConfiguration(
    commandName: "matmul", abstract: "Matrix products at the shapes of the training workload.",
    discussion: """
      Prints billions of multiplications and additions per second.

        gyro bench matmul
        gyro bench matmul --repetitions 100 --json
      """)

  @Option(help: "Products per figure; the median counts.")
  var repetitions = 20
  @OptionGroup var output: OutputOptions

  func validate() throws { try checkAtLeastOne(["--repetitions": repetitions]) }

  func measure(_ found: (MatmulBenchmark.Figure) -> Void) throws {
    let benchmark = MatmulBenchmark(repetitions: repetitions)
    for shape in MatmulBenchmark.shapes {
      try benchmark.run(m: shape.m, n: shape.n, k: shape.k).forEach(found)
    }
  }

  static func row(_ figure: MatmulBenchmark.Figure) -> [(text: String, width: Int)] {
    [
      ("\(figure.m)×\(figure.k)×\(figure.n)", 18), (figure.name, 20),
      (Columns.decimal(figure.seconds * 1000, 3) + " ms", -14),
      (Columns.decimal(figure.gigaOperationsPerSecond, 0) + " G/s", -12),
    ]
  }
}

struct BenchQuantizeCommand: BenchmarkCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize",
    abstract: "Simulated quantization: nanoseconds per element, format by granularity.",
    discussion: """
      Beside each figure is the memory traffic it takes; 'copy' reads and writes as many floats \
      and does nothing else.

        gyro bench quantize
        gyro bench quantize --size 2048 --json
      """)

  @Option(help: "Runs per figure; the median counts.")
  var repetitions = 20
  @Option(help: "Rows and columns of the matrix, a multiple of 64.")
  var size = 4096
  @OptionGroup var output: OutputOptions

  func validate() throws {
    try checkAtLeastOne(["--repetitions": repetitions])
    guard size > 0, size.isMultiple(of: 64) else {
      throw ValidationError("--size must be a positive multiple of 64")
    }
  }

  func measure(_ found: (QuantizeBenchmark.Figure) -> Void) throws {
    try QuantizeBenchmark(repetitions: repetitions, size: size).run().forEach(found)
  }

  static func row(_ figure: QuantizeBenchmark.Figure) -> [(text: String, width: Int)] {
    [
      (figure.format, 20), (figure.granularity, 12),
      (Columns.decimal(figure.nanosecondsPerElement, 2) + " ns", -10),
      (Columns.decimal(figure.nanosecondsWithValues, 2) + " ns with values", -20),
      (Columns.decimal(figure.bytesPerElement, 0) + " bytes", -10),
      (Columns.decimal(figure.gigabytesPerSecond, 1) + " GB/s", -12),
    ]
  }
}
