import ArgumentParser
import Foundation
import Gyro

struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write a checkpoint in a layout that another runtime loads.",
    discussion: """
      An export holds the trained codes and scales; nothing is quantized again. What was written is \
      read back and compared, and the last line says PASS or FAIL. A format that cannot hold a \
      number as it was trained refuses, unless --allow-lossy is given; then the loss of each tensor \
      is measured and printed.

        gyro export --list
        gyro export runs/int8-qat-novelist/model --list
        gyro export runs/int8-qat-novelist/model --format compressed-tensors --output served
        gyro export Checkpoints/novelist --format gguf --output novelist.gguf

      Formats: \(Exporters.all.map { "\($0.name) (\($0.runtimes))" }.joined(separator: "; ")).
      """)

  @Argument(help: "A checkpoint folder, or an export to convert.", completion: .file())
  var checkpoint: String?
  @Option(help: "The layout to write; see the formats above.")
  var format: String?
  @Option(help: "Where to write: a folder, or a file for gguf and onnx.", completion: .file())
  var output: String?
  @Flag(help: "Print what each format keeps of each scheme (of the checkpoint's, when given).")
  var list = false
  @Option(
    help: """
      Type of tensors without codes: float32, bfloat16 or float16; the narrowest that holds them \
      exactly when omitted.
      """)
  var numbers: ExportNumbers?
  @Option(help: "Storage type for all quantized weights, e.g. q4_k for gguf.")
  var storage: String?
  @Flag(help: "Write although numbers change; each change is measured.")
  var allowLossy = false
  @Flag(help: "Replace what is at the output path.")
  var force = false
  @Flag(help: "Do not read the export back.")
  var noVerify = false
  @OptionGroup var options: OutputOptions

  func validate() throws {
    if list { return }
    guard checkpoint != nil, format != nil, output != nil else {
      throw ValidationError(
        "name a checkpoint, --format and --output; or --list to see what the formats keep")
    }
  }

  func run() throws {
    try reportingErrors {
      if list { return try printTable() }
      let exporter = try Exporters.named(format!)
      let source = URL(fileURLWithPath: checkpoint!)
      let target = URL(fileURLWithPath: output!)
      try ExportTarget.prepare(target, for: exporter, replacing: force)
      let model = try ShippedModel(at: source)
      let line = StatusLine(isOn: !options.quiet)
      let choices = ExportOptions(
        floatType: numbers?.scalarType, storage: storage, allowsLoss: allowLossy
      ) { done, total in line.show("writing \(exporter.name)", done, total) }
      let report = try exporter.write(model, to: target, choices)
      line.clear()
      let proof =
        noVerify
        ? nil
        : try Verification(
          of: ReadBack(target), against: model, named: source.relativePath, report: report)
      if options.json {
        try options.print(Outcome(output: target.path, report: report, verification: proof))
      } else {
        Self.show(report)
        for note in report.notes { options.note("note: " + note) }
        print(proof?.summary ?? "wrote \(target.relativePath), not read back")
      }
      if let proof, !proof.passes { throw ExitCode(1) }
    }
  }

  private struct Outcome: Encodable {
    let output: String
    let report: ExportReport
    let verification: Verification?
  }

  private func printTable() throws {
    let table: TruthTable
    if let checkpoint {
      let model = try ShippedModel(at: URL(fileURLWithPath: checkpoint))
      table = TruthTable(of: model, named: checkpoint)
    } else {
      table = TruthTable()
    }
    if options.json { return try options.print(table) }
    print(TruthTableText.text(table))
  }

  /// One line for each kind of storage, then the tensors that are not exact.
  private static func show(_ report: ExportReport) {
    var kinds: [(storage: String, tensors: Int, bytes: Int)] = []
    for entry in report.entries {
      if let place = kinds.firstIndex(where: { $0.storage == entry.storage }) {
        kinds[place].tensors += 1
        kinds[place].bytes += entry.byteCount
      } else {
        kinds.append((entry.storage, 1, entry.byteCount))
      }
    }
    let width = (kinds.map { $0.storage.count }.max() ?? 0) + 2
    print(Columns.row([("storage", width), ("tensors", -8), ("bytes", -14)]))
    for kind in kinds {
      print(
        Columns.row([(kind.storage, width), ("\(kind.tensors)", -8), ("\(kind.bytes)", -14)]))
    }
    for entry in report.entries {
      guard let loss = entry.signalToNoise else { continue }
      print("\(entry.path): \(entry.storage), \(Columns.decimal(loss, 1)) dB signal over noise")
    }
  }
}

/// The number types of tensors without codes.
enum ExportNumbers: String, ExpressibleByArgument, CaseIterable {
  case float32, bfloat16, float16

  var scalarType: ScalarType {
    switch self {
    case .float32: .float32
    case .bfloat16: .bfloat16
    case .float16: .float16
    }
  }
}

/// The place an export goes to.
enum ExportTarget {
  /// Makes sure that nothing is overwritten unasked.
  /// - Throws: `FileError` when something is there.
  static func prepare(
    _ target: URL, for exporter: any CheckpointExporter, replacing: Bool
  ) throws {
    let manager = FileManager.default
    guard let names = try? manager.contentsOfDirectory(atPath: target.path) else {
      guard !manager.fileExists(atPath: target.path) || replacing else {
        throw FileError.unwritable(
          path: target.path, reason: "there is a file already; pass --force to replace it")
      }
      return
    }
    guard exporter.writesFolder else {
      throw FileError.unwritable(
        path: target.path, reason: "it is a folder, and \(exporter.name) is one file")
    }
    guard names.isEmpty || replacing else {
      throw FileError.unwritable(
        path: target.path, reason: "the folder is not empty; pass --force to write into it")
    }
  }
}
