import ArgumentParser
import Foundation
import Gyro

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Continue a prompt with a language model.",
    discussion: """
      At temperature 0 the likeliest token is taken each time; at 1 the model's own distribution \
      is sampled. A checkpoint that records a quantization scheme is computed under it.

        gyro generate Checkpoints/novelist --prompt "It was a dark night" --tokens 100
        gyro generate Checkpoints/novelist --prompt "Emma" --temperature 0.8 --top-k 40 --seed 7
        gyro generate Checkpoints/novelist --prompt "Emma" --cache turbo:bits=3

      --cache keeps keys and values in few bits; attention works on the packed codes. Options stand \
      behind a colon, as in qjl:rows=256,values=2; 'gyro study cache --help' explains them all. The \
      summary counts bits and bytes of the buffers that were allocated. There are:

      \(CacheFamily.overview)
      """)

  @Argument(help: "A checkpoint folder.", completion: .directory)
  var checkpoint: String
  @Option(help: "The text to continue; the beginning-of-text token alone when omitted.")
  var prompt = ""
  @Option(help: "The most tokens to add.")
  var tokens = 128
  @Option(help: "0 takes the likeliest token, 1 samples the model's distribution.")
  var temperature: Float = 0
  @Option(name: .customLong("top-k"), help: "Only the k likeliest tokens compete.")
  var topK: Int?
  @Option(help: "Seed of the sampling.")
  var seed: UInt64 = 0
  @Flag(help: "Round a float checkpoint to INT8 weights and activations first.")
  var quantized = false
  @Option(
    help: ArgumentHelp(
      "What keys and values are kept in; Float32 when omitted.", valueName: "name:options"),
    transform: CacheSpecification.init)
  var cache: CacheSpecification?
  @OptionGroup var options: OutputOptions

  func validate() throws {
    if tokens < 1 { throw ValidationError("--tokens must be at least 1, not \(tokens)") }
    if !(temperature >= 0 && temperature.isFinite) {
      throw ValidationError("--temperature must be at least 0, not \(temperature)")
    }
    if let topK, topK < 1 { throw ValidationError("--top-k must be at least 1, not \(topK)") }
  }

  func run() throws {
    try reportingErrors {
      let generator = try TextGenerator(
        URL(fileURLWithPath: checkpoint), quantized: quantized, cache: cache)
      for warning in generator.warnings { options.warn(warning) }
      let sampling = Sampling(temperature: temperature, topK: topK, seed: seed)
      if options.json {
        try options.print(try generator.generate(prompt, tokens: tokens, sampling) { _ in })
      } else {
        print(prompt, terminator: "")
        let result = try generator.generate(prompt, tokens: tokens, sampling) { piece in
          print(piece, terminator: "")
          fflush(nil)
        }
        print()
        fflush(nil)
        options.note(
          "\(result.tokens.count) tokens, \(Columns.decimal(result.tokensPerSecond, 0)) tokens/s")
        if let cost = result.cache { options.note(cost.summary) }
      }
    }
  }
}
