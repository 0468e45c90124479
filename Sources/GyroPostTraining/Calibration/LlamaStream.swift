import GyroAutodiff
import GyroModels
import GyroQuantization
import GyroTensors

/// The calibration windows on their way through a Llama that is rounded block by block: the hidden
/// states in front of the current block, and nothing else.
struct LlamaStream {
  private(set) var rounding: LayerRounding
  private let model: Llama
  /// The parameters before anything was rounded.
  private let float: ParameterStore
  private let progress: (CalibrationProgress) throws -> Void
  private var hidden: [Tensor] = []
  /// The same in the float model; empty unless inputs are corrected.
  private var floatHidden: [Tensor] = []

  private typealias Part = (Variable, ForwardPass) -> Variable

  init(
    _ model: Llama, _ rounding: LayerRounding, _ windows: [TokenWindow],
    progress: @escaping (CalibrationProgress) throws -> Void
  ) throws {
    self.model = model
    self.rounding = rounding
    self.progress = progress
    float = rounding.parameters
    let capture = rounding.capture([])
    for window in windows {
      let pass = pass(capture)
      hidden.append(model.embed(window, pass).value)
      try capture.check(pass)
      if rounding.options.correctsInputs {
        floatHidden.append(model.embed(window, floatPass([])).value)
      }
    }
  }

  /// Rounds everything, and leaves the stream after the last block.
  mutating func run() throws {
    for index in 0..<model.blockCount {
      let model = model
      let path = Llama.path(ofBlock: index)
      let block: Part = { model.block(index, $0, $1) }
      for groups in rounding.steps(of: rounding.inputs.inside(path)) {
        try round(groups, block)
      }
      try advance(block, path)
    }
    let model = model
    for group in rounding.inputs.inside("lm_head").groups {
      try round([group]) { model.head($0, $1) }
    }
  }

  /// Collects the inputs of some groups from a part of the model, and rounds them.
  private mutating func round(_ groups: [WeightInputs.Group], _ part: Part) throws {
    let capture = rounding.capture(groups)
    let sites = Set(groups.map(\.site.path))
    for index in hidden.indices {
      try report(index, groups[0].site.path)
      if !floatHidden.isEmpty {
        let pass = floatPass(sites)
        _ = part(Variable(constant: floatHidden[index]), pass)
        capture.aim(at: pass.statistics)
      }
      let pass = pass(capture)
      _ = part(Variable(constant: hidden[index]), pass)
      try capture.check(pass)
    }
    for group in groups { try rounding.round(group, capture, progress) }
  }

  /// Puts the hidden states behind a part in the place of those before it.
  private mutating func advance(_ part: Part, _ path: ParameterPath) throws {
    let capture = rounding.capture([])
    for index in hidden.indices {
      try report(index, path)
      let pass = pass(capture)
      hidden[index] = part(Variable(constant: hidden[index]), pass).value
      try capture.check(pass)
      if !floatHidden.isEmpty {
        floatHidden[index] = part(Variable(constant: floatHidden[index]), floatPass([])).value
      }
    }
  }

  private func report(_ index: Int, _ path: ParameterPath) throws {
    try progress(
      CalibrationProgress(
        path: path, weights: rounding.layers.count, allWeights: rounding.inputs.count,
        samples: index, allSamples: hidden.count))
  }

  private func pass(_ capture: InputCapture) -> ForwardPass {
    ForwardPass(
      rounding.parameters, mode: .evaluation, instrumentation: capture,
      precision: rounding.options.precision)
  }

  private func floatPass(_ sites: Set<ParameterPath>) -> ForwardPass {
    ForwardPass(
      float, mode: .evaluation,
      instrumentation: SiteProbe(rounding.plan.online, at: sites),
      precision: rounding.options.precision)
  }
}
