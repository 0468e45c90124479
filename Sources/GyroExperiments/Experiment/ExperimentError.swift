/// Why an experiment cannot start or go on, apart from what its parts throw.
public enum ExperimentError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The folder of results already holds a run.
  case alreadyRun(folder: String)
  /// The folder holds a run of another recipe.
  case differentRecipe(folder: String, there: String, here: String)
  /// A file that a run keeps for itself cannot be understood.
  case damagedState(file: String, reason: String)
  /// There are too few tokens for one window.
  case tooLittleText(source: String, tokens: Int, needed: Int)
  /// The model and what is done with it do not fit.
  case unfit(what: String, reason: String)
  /// Rotations that were learned against another scheme.
  case otherScheme(file: String, expected: String, got: String)
  /// What was written does not compute what was measured.
  case exportDiffers(folder: String, figure: String, expected: Double, got: Double)
  /// An export, read back, does not hold what its format promises; `summary` says where.
  case exportFails(path: String, summary: String)

  public var description: String {
    switch self {
    case .alreadyRun(let folder):
      "\(folder) already holds a run; continue it with --resume, replace it with --fresh, or "
        + "choose another folder with --output"
    case .differentRecipe(let folder, let there, let here):
      "\(folder) holds a run of another recipe: '\(there)' there, '\(here)' here. Resume with the "
        + "recipe and --set values it was started with, or choose another folder with --output"
    case .damagedState(let file, let reason):
      "\(file) is damaged: \(reason). Start the run afresh with --fresh"
    case .tooLittleText(let source, let tokens, let needed):
      "\(source) gives \(tokens) tokens, but one window needs \(needed); add text or lower 'length'"
    case .unfit(let what, let reason):
      "\(what): \(reason)"
    case .otherScheme(let file, let expected, let got):
      "\(file): the rotations were learned against scheme \(got), the run uses \(expected); learn "
        + "them again under this scheme, or run under theirs"
    case .exportDiffers(let folder, let figure, let expected, let got):
      "the checkpoint written to \(folder) does not compute what was measured before: \(figure) is "
        + "\(got) when read back, \(expected) before. Do not use it"
    case .exportFails(let path, let summary):
      "the export written to \(path) does not hold what was trained: \(summary). Do not use it"
    }
  }
}
