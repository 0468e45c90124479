import GyroQuantization

extension MilestoneSchedule {
  /// The schedule as a picture: one row per switch, `#` where it is on and `-` where it is off; the
  /// width of weights in bits and the share of distillation in tenths, `#` for all of it.
  ///
  /// ```
  /// observers     ##############################----------
  /// weights       ----------##############################
  /// activations   ----------##############################
  /// batch norm    ------------------------------##########  frozen
  /// scales        ------------------------------##########  frozen
  /// bits          ----------------------------------------
  /// distillation  ----------##############################
  /// step          0         100                 300
  /// ```
  /// - Parameter width: columns of the whole picture, at least 40.
  public func timeline(width: Int = 80) -> String {
    let label = 14, note = 8
    let cells = max(width, 40) - label - note
    let phases = (0..<cells).map { state(at: $0 * steps / cells) }
    func row(_ name: String, note: String = "", _ mark: (QuantizationPhase) -> Character) -> String
    {
      name.padded(to: label) + String(phases.map(mark)) + (note.isEmpty ? "" : "  " + note)
    }
    func mark(_ on: Bool) -> Character { on ? "#" : "-" }
    return [
      row("observers") { mark($0.observes) },
      row("weights") { mark($0.quantizesWeights) },
      row("activations") { mark($0.quantizesActivations) },
      row("batch norm", note: "frozen") { mark($0.freezesBatchNorm) },
      row("scales", note: "frozen") { mark($0.freezesScales) },
      row("bits") { $0.bits.map { Character("\($0)") } ?? "-" },
      row("distillation") { phase in
        switch phase.distillation {
        case 0: "-"
        case 1: "#"
        default: Character("\(min(9, max(1, Int((phase.distillation * 10).rounded()))))")
        }
      },
      "step".padded(to: label) + ticks(cells),
    ].joined(separator: "\n")
  }

  /// The steps of milestones under the first cell that shows them; one that has no room is left out.
  private func ticks(_ cells: Int) -> String {
    var line = ""
    for step in Set(milestones.map(\.step) + [0]).sorted() {
      let place = (step * cells + steps - 1) / steps
      guard place < cells, line.isEmpty || line.count < place else { continue }
      line = line.padded(to: place) + "\(step)"
    }
    return line
  }
}

extension String {
  fileprivate func padded(to width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - count))
  }
}
