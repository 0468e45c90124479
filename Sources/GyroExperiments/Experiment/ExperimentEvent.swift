public import GyroQuantization

/// What a running experiment tells whoever listens.
public enum ExperimentEvent: Sendable {
  /// What the scheme means for every weight and site; comes before the first stage.
  case resolved(QuantizationPlan)
  /// Something worth knowing.
  case note(String)
  /// Work that takes a while: so much of a total is done.
  case working(label: String, done: Int, total: Int)
  /// A stage begins; counted from 1.
  case began(stage: Int, of: Int, kind: String, label: String)
  /// A stage was done by the run that is being resumed.
  case skipped(ExperimentResults.Stage)
  case finished(ExperimentResults.Stage)
}
