import ArgumentParser
import Foundation
import Gyro

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Prove that an export holds what was trained.",
    discussion: """
      The bytes are read again and compared with the checkpoint they came from: codes, scales and \
      values layer by layer, then logits on a fixed list of tokens (or images). The last line says \
      PASS or FAIL; the exit code is 0 or 1. Without --against the file is read, its scheme's \
      fingerprint checked and its logits must be finite.

        gyro verify served --against runs/int8-qat-novelist
        gyro verify novelist.gguf --against Checkpoints/novelist --json
        gyro verify served --logits reference.json

      --logits writes the fixed tokens (or images) and the model's logits, to compare another \
      runtime with.
      """)

  @Argument(help: "An export or a checkpoint.", completion: .file())
  var path: String
  @Option(help: "The run or the checkpoint that was exported.", completion: .directory)
  var against: String?
  @Option(help: "Write inputs and logits to this file, as JSON.", completion: .file())
  var logits: String?
  @Flag(help: "Print every layer, not only those that differ.")
  var all = false
  @OptionGroup var options: OutputOptions

  func run() throws {
    try reportingErrors {
      let copy = try ReadBack(URL(fileURLWithPath: path))
      let proof = try Verification(of: copy, against: against.map { URL(fileURLWithPath: $0) })
      if let logits {
        let reference = try ReferenceLogits(of: copy.model)
        try AtomicFile.write(
          Array(try JSONEncoder().encode(reference)), to: URL(fileURLWithPath: logits))
      }
      if options.json {
        try options.print(Report(verification: proof))
      } else {
        show(proof)
        print(proof.summary)
      }
      if !proof.passes { throw ExitCode(1) }
    }
  }

  private struct Report: Encodable {
    let passes: Bool
    let summary: String
    let verification: Verification

    init(verification: Verification) {
      passes = verification.passes
      summary = verification.summary
      self.verification = verification
    }
  }

  private func show(_ proof: Verification) {
    let layers = proof.layers.filter { all || !$0.passes || $0.values > 0 }
    guard !layers.isEmpty else { return }
    let width = (layers.map { $0.path.count }.max() ?? 0) + 2
    print(
      Columns.row([
        ("tensor", width), ("elements", -11), ("codes", -9), ("scales", -9), ("values", -9),
        ("largest", -12), ("  promised", 40),
      ]))
    for layer in layers {
      func count(_ value: Int?) -> String { value.map(String.init) ?? "–" }
      print(
        Columns.row([
          (layer.path, width), ("\(layer.elements)", -11), (count(layer.codes), -9),
          (count(layer.scales), -9), ("\(layer.values)", -9), ("\(Float(layer.largest))", -12),
          ("  " + (layer.promised ?? ""), 40),
        ]))
    }
  }
}
