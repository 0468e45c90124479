import GyroManifolds
import GyroModels
import GyroQuantization

extension Recipe {
  /// What to know about rotations before a run: transforms whose size has no Hadamard matrix, and
  /// what is used instead.
  func notes(on plan: QuantizationPlan, for model: LlamaConfiguration?) -> [String] {
    var transforms: [(place: String, transform: HadamardTransform)] = []
    if let model {
      let placements = plan.scheme.rotations?.placements ?? []
      let starts = rotateStages.contains { $0.start == .hadamard && $0.from == nil }
      if starts, placements.contains(.residual) {
        transforms.append(("R1 begins as", HadamardTransform(size: model.hidden)))
      }
      if starts, placements.contains(.values) {
        transforms.append(("R2 begins as", HadamardTransform(size: model.headSize)))
      }
    }
    for (name, site) in [("R3 is", ".keys"), ("R4 is", "down_proj.input")] {
      let found = plan.online.transforms.first { $0.key.name.hasSuffix(site) }
      if let found { transforms.append((name, found.value)) }
    }
    return transforms.compactMap { place, transform in
      let text = "\(transform)"
      // A description says why it is not a Hadamard matrix of the whole row.
      return text.contains(": ") ? "\(place) \(text)" : nil
    }
  }

  private var rotateStages: [RotateStage] {
    stages.flatMap { stage -> [RotateStage] in
      switch stage {
      case .rotate(let stage): [stage]
      case .ladder(let stage): stage.rungs
      default: []
      }
    }
  }
}
