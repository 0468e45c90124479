import ArgumentParser
import Foundation
import Gyro

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Carry out a recipe: evaluate, quantize, train, export.",
    discussion: """
      Results go to runs/NAME: results.json, report.html, metrics.jsonl, TensorBoard events, \
      training checkpoints and what the recipe exports. Ctrl-C saves and exits with 130; --resume \
      goes on, bit for bit as if nothing had happened.

        gyro run Recipes/int8-qat-novelist.yaml --dry-run
        gyro run Recipes/int8-qat-novelist.yaml
        gyro run Recipes/int8-qat-novelist.yaml --set stages.train.steps=300 --output runs/longer
      """)

  @Argument(help: "A recipe (YAML).", completion: .file(extensions: ["yaml", "yml"]))
  var recipe: String
  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Replace a value of the recipe; may be repeated.",
      discussion: "Lists take an index or a key: stages[2].train.steps=10, stages.train.steps=10.",
      valueName: "path.to.key=value"))
  var overrides: [String] = []
  @Option(help: "Folder of results; runs/NAME when omitted.", completion: .directory)
  var output: String?
  @Flag(help: "Go on with the run that is in the folder of results.")
  var resume = false
  @Flag(help: "Remove the run that is in the folder of results and start afresh.")
  var fresh = false
  @Flag(help: "Show the plan, with time, memory and disk it would take; write nothing.")
  var dryRun = false
  @OptionGroup var options: OutputOptions

  func validate() throws {
    if resume, fresh { throw ValidationError("--resume and --fresh exclude each other") }
  }

  func run() throws {
    try reportingErrors {
      let recipe = try Recipe.load(
        URL(fileURLWithPath: recipe), overrides: try overrides.map { try RecipeOverride($0) })
      let experiment = try recipe.resolve()
      if dryRun {
        let estimate = try experiment.estimate()
        if options.json { try options.print(estimate) } else { print(EstimateText.of(estimate)) }
        return
      }
      let folder = URL(fileURLWithPath: output ?? "runs/\(recipe.name)")
      let view = RunView(options)
      let interruption = Interruption.onSignals()
      let results = try experiment.run(
        output: folder, existing: resume ? .resume : fresh ? .overwrite : .refuse,
        interruption: interruption, progress: view.show,
        reporter: options.quiet
          ? nil : { label, unit in ProgressReporter(label: label, unit: unit) })
      if options.json {
        try options.print(Report(output: folder.path, results: results))
      } else {
        view.summarize(results, folder)
      }
    }
  }

  private struct Report: Encodable {
    let output: String
    let results: ExperimentResults
  }
}

/// Shows on standard error how an experiment goes.
final class RunView: Sendable {
  private let options: OutputOptions
  private let status: StatusLine

  init(_ options: OutputOptions) {
    self.options = options
    status = StatusLine(isOn: !options.quiet)
  }

  func show(_ event: ExperimentEvent) {
    guard !options.quiet else { return }
    let terminal = Terminal.standardError
    switch event {
    case .resolved(let plan):
      status.clear()
      terminal.write(plan.table + "\n\n")
    case .note(let text):
      status.clear()
      options.note(text)
    case .working(let label, let done, let total):
      status.show(label, done, total)
    case .began(let stage, let count, let kind, let label):
      status.clear()
      terminal.write(terminal.bold("[\(stage)/\(count)] \(kind)") + " \(label)\n")
    case .skipped(let stage):
      status.clear()
      options.note("done before: \(stage.kind) \(stage.label)")
    case .finished(let stage):
      status.clear()
      terminal.write("      " + Self.words(stage) + "\n")
    }
  }

  /// Removes the status line.
  func clear() { status.clear() }

  func summarize(_ results: ExperimentResults, _ folder: URL) {
    print(results.table)
    for stage in results.stages {
      if let path = stage.path { options.note("checkpoint: \(folder.path)/\(path)") }
    }
    options.note("report: \(folder.path)/report.html")
  }

  private static func words(_ stage: ExperimentResults.Stage) -> String {
    let shown = ["loss", "perplexity", "accuracy", "divergence", "training_loss", "steps"]
    let figures = shown.compactMap { name in
      stage.figures[name].map { value in
        let text = name == "steps" ? "\(Int(value))" : Columns.decimal(value, 5)
        return "\(name.replacingOccurrences(of: "_", with: " ")) \(text)"
      }
    }
    return (figures + ["\(Columns.decimal(stage.seconds, 1)) s"]).joined(separator: ", ")
  }
}
