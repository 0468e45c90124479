import Foundation
import Gyro

/// Tables of layers and of what a run is going to take.
enum EstimateText {
  static func of(_ estimate: RunEstimate) -> String {
    var lines = [
      "\(estimate.name): \(estimate.parameters) parameters, "
        + (estimate.scheme ?? "float, nothing is quantized")
    ]
    lines += ["", table(of: estimate.layers), ""]
    let kind = max(8, width(estimate.stages.map(\.kind))) + 2
    let label = max(8, width(estimate.stages.map(\.label))) + 2
    let work = max(8, width(estimate.stages.map(\.work))) + 2
    lines.append(
      Columns.row([
        ("stage", kind), ("", label), ("work", work), ("time", -10), ("disk", -10),
      ]))
    for stage in estimate.stages {
      lines.append(
        Columns.row([
          (stage.kind, kind), (stage.label, label), (stage.work, work),
          (time(stage.seconds), -10), (stage.diskBytes > 0 ? bytes(stage.diskBytes) : "", -10),
        ]))
    }
    lines.append(
      Columns.row([
        ("all", kind), ("", label), ("", work), (time(estimate.seconds), -10),
        (bytes(estimate.diskBytes), -10),
      ]))
    let parts = estimate.memory.map { "\($0.name) \(bytes($0.bytes))" }
    lines += [
      "",
      "memory: about \(bytes(estimate.peakBytes)) at most, in '\(estimate.peakStage)': "
        + parts.joined(separator: ", "),
      "",
    ]
    lines += estimate.assumptions
    lines.append("Nothing was written; leave out --dry-run to run it.")
    return lines.joined(separator: "\n")
  }

  /// Bits per weight and bytes of every line, and of all together.
  static func table(of layers: LayerTable) -> String {
    let path = width(layers.rows.map(\.path)) + 2
    let shapes = layers.rows.map { row in
      row.shape.map { "[" + $0.map(String.init).joined(separator: ", ") + "]" } ?? ""
    }
    let shape = max(8, width(shapes) + 2)
    var lines = [
      Columns.row([
        ("layer", path), ("shape", shape), ("bits", -7), ("packed", -11), ("float32", -11),
        ("", 2), ("format", 6),
      ])
    ]
    for (row, extents) in zip(layers.rows, shapes) {
      lines.append(
        Columns.row([
          (row.path, path), (extents, shape),
          (row.bitsPerWeight.map { Columns.decimal($0, 2) } ?? "", -7),
          (row.packedBytes.map(bytes) ?? "", -11), (row.floatBytes.map(bytes) ?? "", -11), ("", 2),
          (row.rule, 6),
        ]))
    }
    let bits = 32 * Double(layers.packedBytes) / Double(max(layers.floatBytes, 1))
    lines.append(
      Columns.row([
        ("all", path), ("", shape), (Columns.decimal(bits, 2), -7),
        (bytes(layers.packedBytes), -11), (bytes(layers.floatBytes), -11),
      ]))
    return lines.joined(separator: "\n")
  }

  private static func width(_ texts: [String]) -> Int { texts.map(\.count).max() ?? 0 }

  static func time(_ seconds: Double) -> String {
    if seconds < 10 { return Columns.decimal(seconds, 1) + " s" }
    if seconds < 120 { return Columns.decimal(seconds, 0) + " s" }
    if seconds < 7200 { return Columns.decimal(seconds / 60, 0) + " min" }
    return Columns.decimal(seconds / 3600, 1) + " h"
  }

  static func bytes(_ count: Int) -> String {
    if count < 1024 { return "\(count) B" }
    if count < 1 << 20 { return Columns.decimal(Double(count) / 1024, 1) + " KiB" }
    if count < 1 << 30 { return Columns.decimal(Double(count) / 1_048_576, 1) + " MiB" }
    return Columns.decimal(Double(count) / 1_073_741_824, 2) + " GiB"
  }
}
