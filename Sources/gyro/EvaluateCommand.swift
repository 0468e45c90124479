public import ArgumentParser
import Foundation
public import Gyro

struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Measure the loss, perplexity or accuracy of a checkpoint.",
    discussion: """
      The checkpoint is a folder with config.json and safetensors. One that records a quantization \
      scheme is computed under it. Without --text or --recipe the model is measured on text it \
      samples itself.

        gyro evaluate Checkpoints/novelist --text book.txt
        gyro evaluate runs/int8-qat-novelist/model --recipe runs/int8-qat-novelist/recipe.yaml
        gyro evaluate Checkpoints/novelist --text book.txt --cache qjl:bits=3 --context 256

      --cache computes as a text that grows would be computed: keys and values pass through the \
      cache, at most 32 tokens at a time, and attention sees what it kept of them. Compare with \
      --cache float32. 'gyro generate --help' lists all caches, 'gyro study cache' compares them.
      """)

  @Argument(help: "A checkpoint folder.", completion: .directory)
  var checkpoint: String
  @Option(help: "A text file or pattern; may be repeated.", completion: .file())
  var text: [String] = []
  @Option(
    help: "Use data.evaluate of this recipe.", completion: .file(extensions: ["yaml", "yml"]))
  var recipe: String?
  @Flag(help: "Round a float checkpoint to INT8 weights and activations first.")
  var quantized = false
  @Option(
    name: [.customLong("length"), .customLong("context")],
    help: "Tokens per window; the model's context, at most 512, when omitted.")
  var length: Int?
  @Option(
    help: ArgumentHelp(
      "What keys and values are kept in; no cache when omitted.", valueName: "name:options"),
    transform: CacheSpecification.init)
  var cache: CacheSpecification?
  @Option(help: "Windows or images at most.")
  var limit: Int?
  @Option(help: "Tokens to sample when neither --text nor --recipe is given.")
  var tokens = 16384
  @Option(help: "Seed of sampled text.")
  var seed = 0
  @Option(
    help: """
      How float matrix products are computed: float32, tiled-float32 or split-bfloat16; the \
      recipe's way, or float32, when omitted.
      """)
  var precision: MatmulPrecision?
  @OptionGroup var options: OutputOptions

  func validate() throws {
    if !text.isEmpty, recipe != nil {
      throw ValidationError("--text and --recipe exclude each other")
    }
    for (name, value) in [("--length", length), ("--limit", limit), ("--tokens", tokens)] {
      if let value, value < 1 { throw ValidationError("\(name) must be at least 1, not \(value)") }
    }
    if seed < 0 { throw ValidationError("--seed must be at least 0, not \(seed)") }
  }

  func run() throws {
    try reportingErrors {
      let data: CheckpointEvaluation.Data
      var choices = CheckpointEvaluation.Options()
      if let recipe {
        let recipe = try Recipe.load(URL(fileURLWithPath: recipe))
        choices.precision = precision ?? recipe.precision
        data = .recipe(try recipe.resolve())
      } else {
        choices.precision = precision ?? .float32
        data = text.isEmpty ? .sampled(tokens: tokens, seed: seed) : .text(text)
      }
      choices.quantized = quantized
      choices.length = length
      choices.limit = limit
      choices.cache = cache
      let view = RunView(options)
      let report = try CheckpointEvaluation(
        URL(fileURLWithPath: checkpoint), on: data, choices, progress: view.show)
      view.clear()
      for warning in report.warnings { options.warn(warning) }
      if options.json {
        try options.print(report)
      } else {
        Self.show(report)
        if let cost = report.cache { options.note(cost.summary) }
      }
    }
  }

  private static func show(_ report: CheckpointEvaluation) {
    let width = max(14, 2 + (report.figures.keys.map(\.count).max() ?? 0))
    print(
      Columns.row([
        ("arithmetic", width), (report.quantized ? report.scheme ?? "quantized" : "float", 40),
      ]))
    if let cost = report.cache { print(Columns.row([("cache", width), (cost.cache, 40)])) }
    for (name, value) in report.figures.sorted(by: { $0.key < $1.key }) {
      let isCount = name.hasPrefix("tokens") || name == "images"
      print(
        Columns.row([(name, width), (isCount ? "\(Int(value))" : Columns.decimal(value, 5), 40)]))
    }
  }
}

extension MatmulPrecision: ExpressibleByArgument {}

extension CacheCost {
  /// One line: what was kept, and what it takes.
  var summary: String {
    "cache \(cache): \(Columns.decimal(bitsPerElement, 3)) bits per element; "
      + "\(bytes) bytes for \(tokens) tokens in \(layers) layers, float16 takes \(float16Bytes) "
      + "(\(Columns.decimal(timesSmaller, 2))× as many)"
  }
}
