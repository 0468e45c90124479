import GyroAutodiff
public import GyroModels
public import GyroOptimization
public import GyroTensors

/// Learns rotations from samples of the activations they turn, with no pass through the model
/// (DartQuant, 2511.04063; KurTail, 2503.01483): R1 on what attention and feed-forward blocks read,
/// R2 on values, layer by layer.
public struct LocalRotations: Sendable {
  public var objective: LocalObjective
  public var steps: Int
  /// The rate at the first step; it falls linearly to zero.
  public var rate: Double
  /// Rows per site that are looked at in a step.
  public var rows: Int

  public init(
    _ objective: LocalObjective = .whip, steps: Int = 60, rate: Double = 0.01, rows: Int = 256
  ) {
    self.objective = objective
    self.steps = steps
    self.rate = rate
    self.rows = rows
  }

  /// Activations of the float model by path of site, `[rows, columns]`.
  public typealias Samples = [ParameterPath: Tensor]

  /// An instrumentation that records what samples are made of; statistics are by path of site.
  public func probe(_ learning: RotationLearning) -> some Instrumentation {
    SiteProbe(at: Set(Self.sites(learning).values.joined()))
  }

  /// Learns every rotation in `parameters` and merges them.
  /// - Parameters:
  ///   - samples: activations of the float model (`learning.base`).
  ///   - rule: moves an orthogonal matrix, e.g. `CayleyAdam`.
  ///   - progress: told of every finished rotation.
  /// - Returns: the objective of each rotation before and after.
  public func learn(
    _ learning: RotationLearning, _ parameters: inout ParameterStore, samples: Samples,
    rule: any UpdateRule, progress: (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) throws -> [(path: ParameterPath, before: Double, after: Double)] {
    var results: [(ParameterPath, Double, Double)] = []
    let sites = Self.sites(learning)
    for (index, path) in sites.keys.sorted().enumerated() {
      let rows = sites[path]!.sorted().compactMap { samples[$0] }
      results.append(try learn(path, &parameters, rows, rule))
      try progress(index + 1, sites.count)
    }
    learning.merge(into: &parameters)
    return results
  }

  /// The sites at which a rotation is the first factor that is learned, by path of rotation.
  static func sites(_ learning: RotationLearning) -> [ParameterPath: [ParameterPath]] {
    var result: [ParameterPath: [ParameterPath]] = [:]
    for (site, factors) in learning.frames.sites where learning.plan.quantizer(at: site) != nil {
      for case .rotation(let path) in factors { result[path, default: []].append(site) }
    }
    return result
  }

  private func learn(
    _ path: ParameterPath, _ parameters: inout ParameterStore, _ samples: [Tensor],
    _ rule: any UpdateRule
  ) throws -> (ParameterPath, Double, Double) {
    var alone = ParameterStore()
    alone.declare(path, parameters[path], kind: .rotation)
    let size = parameters[path].shape[0]
    let pieces = samples.map { $0.reshaped([-1, size]) }
    func loss(_ rotation: Variable, _ step: Int?) -> Variable {
      var sum = Variable(constant: Tensor(scalar: 0))
      for piece in pieces {
        let turned = Variable(constant: window(piece, step)).matmul(rotation)
        sum = sum + .apply(LocalObjectiveOp(objective: objective), to: turned)
      }
      return sum / Float(pieces.count)
    }
    func value() -> Double {
      Double(loss(Variable(constant: alone[path]), nil).value.item)
    }
    let before = value()
    var optimizer = try Optimizer([("*", rule)], for: alone)
    for step in 0..<steps {
      let (_, gradients) = valueAndGradients(of: [alone[path]]) { loss($0[0], step) }
      var found = Gradients()
      found[path] = gradients[0]
      try optimizer.step(&alone, found, rate: rate * Double(steps - step) / Double(steps))
    }
    let after = value()
    if after < before { parameters[path] = alone[path] }
    return (path, before, min(before, after))
  }

  /// The rows of a step, one window after the other; all of them when there is no step.
  private func window(_ piece: Tensor, _ step: Int?) -> Tensor {
    let total = piece.shape[0]
    guard let step, total > rows else { return piece }
    let start = step * rows % (total - rows + 1)
    return piece.sliced(axis: 0, start..<start + rows).contiguous()
  }
}
