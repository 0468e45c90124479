import ArgumentParser
import Foundation
import Gyro

struct StudyCacheCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cache",
    abstract: "What keys and values in few bits do to a language model.",
    discussion: """
      For every cache: bits that an element takes and bytes of a context, counted from the buffers \
      that were allocated; perplexity; the errors of scores and of attention's output, relative to \
      their size, against a Float32 cache; how often a query finds, that is, looks most at, the token \
      that it finds with the Float32 cache; and how much of a needle is copied, tokens that came once \
      before, far back. In brackets is what the model foretells of the needle when it first comes: \
      one that does not copy with the float cache says nothing about copying with another.

      Without --text perplexity is measured on text that the model samples itself. Without --cache \
      a list of all families is studied. Windows of floats (window=…) hide the rest in short texts, \
      so that list has none. What can be named, and its options:

      \(CacheFamily.guide)

      Sources: 2406.03482, 2502.02617, 2504.19874, 2402.02750, 2405.16406.

        gyro study cache Checkpoints/novelist --text book.txt --picture caches.svg
        gyro study cache Checkpoints/novelist --cache int4 --cache turbo:bits=2.5 --json
      """)

  @Argument(help: "A float checkpoint of a language model.", completion: .directory)
  var checkpoint: String
  @Option(
    name: .customLong("cache"),
    help: ArgumentHelp("A cache to study; may be repeated.", valueName: "name:options"),
    transform: CacheSpecification.init)
  var caches: [CacheSpecification] = []
  @Option(help: "A text file or pattern; may be repeated.", completion: .file())
  var text: [String] = []
  @Option(help: "Tokens per window; the model's context, at most 512, when omitted.")
  var context: Int?
  @Option(help: "Windows to measure perplexity on.")
  var windows = 8
  @Option(
    name: .customLong("copy"),
    help: ArgumentHelp(
      "Tokens in a text to copy from; may be repeated.",
      discussion: "A quarter, a half and all of the context when omitted.", valueName: "tokens"))
  var lengths: [Int] = []
  @Option(help: "Tokens to copy.")
  var needle = 16
  @Flag(help: "Copy random tokens rather than pieces of the text.")
  var randomNeedles = false
  @Option(help: "Texts to copy from at each length.")
  var trials = 24
  @OptionGroup var options: StudyOptions

  func validate() throws {
    for (name, value, least) in [
      ("--context", context ?? 1, 1), ("--windows", windows, 1), ("--needle", needle, 2),
      ("--trials", trials, 1),
    ] where value < least {
      throw ValidationError("\(name) must be at least \(least), not \(value)")
    }
  }

  func run() throws {
    try options.present(\CacheStudy.picture, { print($0.table) }) { progress in
      var choices = CacheStudy.Options()
      if !caches.isEmpty { choices.caches = caches }
      choices.text = text
      choices.context = context
      choices.windows = windows
      if !lengths.isEmpty { choices.copyingLengths = lengths }
      choices.needle = needle
      choices.drawsNeedles = randomNeedles
      choices.trials = trials
      choices.seed = UInt64(options.seed)
      return try CacheStudy(
        checkpoint: URL(fileURLWithPath: checkpoint), choices, progress: progress)
    }
  }
}
