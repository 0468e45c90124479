import ArgumentParser
import Foundation
import Gyro

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "List the tensors of a checkpoint: types, shapes, ranges, outliers, bits per weight.",
    discussion: """
      A quantized checkpoint, or an export in another layout, also shows what its scheme does to \
      every layer and what that saves. 'outliers' is the largest absolute value over the root mean square: the higher, the more of \
      a quantizer's range a few elements take.

        gyro inspect Checkpoints/novelist
        gyro inspect model.safetensors --json
      """)

  @Argument(help: "A checkpoint or an export: a folder or a file.", completion: .file())
  var path: String
  @OptionGroup var options: OutputOptions

  func run() throws {
    try reportingErrors {
      let report = try CheckpointInspection(contentsOf: URL(fileURLWithPath: path))
      if options.json {
        try options.print(report)
      } else {
        Self.show(report)
      }
    }
  }

  private static func show(_ report: CheckpointInspection) {
    let facts = [
      report.architecture, report.scheme, "\(report.tensors.count) tensors",
      "\(report.elements) elements", "\(report.bytes) bytes",
    ]
    print(facts.compactMap { $0 }.joined(separator: ", "))
    if let layers = report.layers { print("\n" + EstimateText.table(of: layers) + "\n") }
    let width = (report.tensors.map { $0.name.count }.max() ?? 0) + 2
    print(
      Columns.row([
        ("tensor", width), ("type", 9), ("shape", 22), ("min", -11), ("max", -11),
        ("mean |x|", -11), ("outliers", -10),
      ]))
    for tensor in report.tensors {
      func cell(_ value: Double?, _ places: Int) -> String {
        value.map { Columns.decimal($0, places) } ?? "–"
      }
      let shape = "[" + tensor.shape.map(String.init).joined(separator: ", ") + "]"
      var line = Columns.row([
        (tensor.name, width), (tensor.type, 9), (shape, 22), (cell(tensor.minimum, 4), -11),
        (cell(tensor.maximum, 4), -11), (cell(tensor.absoluteMean, 5), -11),
        (cell(tensor.outlierRatio, 1), -10),
      ])
      if tensor.notFinite > 0 { line += "  \(tensor.notFinite) not finite!" }
      print(line)
    }
  }
}
