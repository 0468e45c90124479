import GyroTraining

extension MilestoneSchedule {
  /// A list such as `[{ at: 0, observers: on }, { at: 100, weights: on, activations: on }]`.
  init(_ reader: RecipeReader, steps: Int) throws(RecipeError) {
    var milestones: [Milestone] = []
    for element in try reader.list() { milestones.append(try Milestone(element)) }
    do throws(MilestoneError) {
      try self.init(milestones, steps: steps)
    } catch {
      throw .conflict(reader.place, reason: "\(error)")
    }
  }
}

extension Milestone {
  init(_ reader: RecipeReader) throws(RecipeError) {
    let map = try reader.mapping([
      "at", "observers", "weights", "activations", "batch-norm", "scales", "bits", "distillation",
    ])
    var changes: [Change] = []
    if let on = try map["observers"]?.isOn() { changes.append(.observers(on)) }
    if let on = try map["weights"]?.isOn() { changes.append(.weights(on)) }
    if let on = try map["activations"]?.isOn() { changes.append(.activations(on)) }
    if let frozen = try map["batch-norm"]?.isFrozen() { changes.append(.batchNormFrozen(frozen)) }
    if let frozen = try map["scales"]?.isFrozen() { changes.append(.scalesFrozen(frozen)) }
    if let bits = try map["bits"]?.integer(2...8) { changes.append(.bits(bits)) }
    if let share = try map["distillation"]?.number(0...1) { changes.append(.distillation(share)) }
    self.init(at: try map.required("at").integer(0...1_000_000_000), changes)
  }
}

extension RecipeReader {
  /// `on` or `off`; YAML's `true` and `false` are the same.
  fileprivate func isOn() throws(RecipeError) -> Bool {
    let text = try name("switch", among: ["on", "off", "true", "false"])
    return text == "on" || text == "true"
  }

  fileprivate func isFrozen() throws(RecipeError) -> Bool {
    try name("switch", among: ["frozen", "live"]) == "frozen"
  }
}

extension Milestone {
  /// Whether the width of weights changes here.
  var changesBits: Bool { changes.contains { if case .bits = $0 { true } else { false } } }
}

extension MilestoneSchedule {
  /// Whether the share of distillation is a matter of the schedule.
  var setsDistillation: Bool {
    milestones.contains { milestone in
      milestone.changes.contains { if case .distillation = $0 { true } else { false } }
    }
  }
}
