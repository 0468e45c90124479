import ArgumentParser
import Foundation
import Gyro

struct StudyRotationsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rotations",
    abstract: "How far random rotations spread when the rotated model is rounded.",
    discussion: """
      Rotates a model with random orthogonal matrices and with Hadamard matrices of random signs, \
      one per seed, rounds it, and measures how far it lies from the float model on text that the \
      float model samples. With --steps, rotations are also learned from each Hadamard start, with \
      what the scheme's quantizers learn (clipping), alone and together with every scaling pair. A \
      small model has hardly any outliers: --strength rotates its outlier twin instead, which \
      computes the same and has those of large models.

      Source: 2405.16406, figure 4.

        gyro study rotations Checkpoints/novelist --picture rotations.svg
        gyro study rotations Checkpoints/novelist --strength 20 --steps 50
      """)

  @Argument(help: "A float checkpoint of the Llama family.", completion: .directory)
  var checkpoint: String
  @Option(
    help: ArgumentHelp(
      "Round under this recipe's scheme; W4A4KV4 with R1 and R2 when left out.",
      valueName: "recipe.yaml"), completion: .file(extensions: ["yaml", "yml"]))
  var schemeOf: String?
  @Option(help: "Rotations of each kind.")
  var seeds = 8
  @Option(help: "Tokens that the model samples to measure on, and as many to learn from.")
  var size = 2048
  @Option(help: "Steps of learning from each Hadamard start; 0 leaves learning out.")
  var steps = 0
  @Option(help: "Rotate the outlier twin of this strength instead of the model.")
  var strength: Double?
  @OptionGroup var options: StudyOptions

  func validate() throws {
    if seeds < 1 { throw ValidationError("--seeds must be at least 1, not \(seeds)") }
    if size < 2 { throw ValidationError("--size must be at least 2, not \(size)") }
    if steps < 0 { throw ValidationError("--steps must be at least 0, not \(steps)") }
    if let strength, !(1...1000).contains(strength) {
      throw ValidationError("--strength must be between 1 and 1000, not \(strength)")
    }
  }

  func run() throws {
    try options.present(\RotationStudy.picture, Self.show) { progress in
      var choices = RotationStudy.Options()
      choices.seeds = seeds
      choices.size = size
      choices.steps = steps
      choices.strength = strength
      choices.seed = UInt64(options.seed)
      if let schemeOf {
        let recipe = try Recipe.load(URL(fileURLWithPath: schemeOf))
        guard let scheme = recipe.scheme else {
          throw ValidationError("\(schemeOf) has no scheme")
        }
        choices.scheme = scheme
      }
      return try RotationStudy(
        checkpoint: URL(fileURLWithPath: checkpoint), choices, progress: progress)
    }
  }

  private static func show(_ study: RotationStudy) {
    print(Terminal.standardOutput.bold(study.subject))
    print("\(study.scheme)\ndivergence from the float model, nats per token\n")
    print(Columns.row([("", 29), ("mean", -10), ("least", -10), ("largest", -10), ("range", -10)]))
    for method in study.methods {
      let figures = [
        method.mean, method.divergences.min() ?? .nan, method.divergences.max() ?? .nan,
        method.range,
      ]
      print(Columns.row([(method.name, 29)] + figures.map { (Columns.decimal($0, 5), -10) }))
    }
  }
}
