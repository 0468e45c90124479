import GyroAutodiff
import GyroManifolds
import GyroModels
import GyroTensors
import TestSupport
import Testing

@testable import GyroQuantization
@testable import GyroRotation

/// The paper's way to a rotation's gradient: every quantized activation is turned by `R` and turned
/// back, `Q(x F) F⁻¹`, in front of unturned weights, and the tape differentiates both products; so is
/// every weight at both sides, if weights are in the loop.
private struct TurnedActivations: Instrumentation {
  let plan: QuantizationPlan
  let frames: LlamaFrames
  var turnsWeights = false

  func weight(_ value: Variable, of parameter: Parameter, _ pass: ForwardPass) -> Variable {
    guard turnsWeights, plan.quantizer(at: parameter.path) != nil,
      let sides = frames.tensors[parameter.path]
    else { return value }
    var x = value
    for side in sides { x = turned(x, side, pass, back: false) }
    x = plan.weight(x, of: parameter, pass)
    for side in sides.reversed() { x = turned(x, side, pass, back: true) }
    return x
  }

  private func turned(
    _ x: Variable, _ side: FrameSide, _ pass: ForwardPass, back: Bool
  ) -> Variable {
    var x = side.isRows ? x.permuted([1, 0]) : x
    for factor in back ? side.factors.reversed() : side.factors {
      x = turned(x, factor, pass, back: back)
    }
    return side.isRows ? x.permuted([1, 0]) : x
  }

  func activation(_ value: Variable, at site: Site, _ pass: ForwardPass) -> Variable {
    guard let factors = frames.sites[site.path], plan.quantizer(at: site.path) != nil else {
      return value
    }
    var x = value
    for factor in factors { x = turned(x, factor, pass, back: false) }
    x = plan.quantized(x, at: site, pass)
    for factor in factors.reversed() { x = turned(x, factor, pass, back: true) }
    return x
  }

  private func turned(
    _ x: Variable, _ factor: FrameFactor, _ pass: ForwardPass, back: Bool
  ) -> Variable {
    let shape = x.shape.dimensions
    switch factor {
    case .rotation(let path):
      let matrix = pass.raw(pass.parameter(at: path)!)
      return x.reshaped([-1, matrix.shape[0]]).matmul(matrix, transposingOther: back)
        .reshaped(shape)
    case .hadamard(let transform):
      return x.reshaped([-1, transform.size]).hadamard(transform, transposed: back)
        .reshaped(shape)
    case .scaling(let path, let places, let isInverse):
      // Columns gathered by a constant matrix, so that the tape knows how to go back.
      let logarithms = pass.raw(pass.parameter(at: path)!)
      let count = logarithms.shape.count
      var choice = Tensor.zeros([count, places.count])
      choice.withMutableElements { choice in
        for (column, place) in places.enumerated() {
          choice[Int(place) * places.count + column] = isInverse == back ? 1 : -1
        }
      }
      let row = logarithms.reshaped([1, count]).matmul(Variable(constant: choice))
        .reshaped([places.count])
      return x * row.exponential()
    }
  }
}

extension Variable {
  fileprivate func exponential() -> Variable { .apply(ExponentialOp(), to: self) }
}

private struct ExponentialOp: Op {
  func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Tensor) {
    let y = inputs[0].exp()
    return (y, y)
  }
  func pullback(_ cotangent: Tensor, _ y: Tensor, needs: [Bool]) -> [Tensor?] { [cotangent * y] }
}

@Suite("Gradients of rotations")
struct FrameGradientTests {
  private func model(
    _ change: (inout LlamaConfiguration) -> Void = { _ in }
  ) throws -> (Llama, LlamaConfiguration, ParameterStore) {
    var configuration = LlamaConfiguration(
      vocabulary: 40, hidden: 32, feedForward: 48, layers: 2, heads: 4, keyValueHeads: 2,
      headSize: 8, context: 32)
    configuration.initializerDeviation = 0.3
    change(&configuration)
    let (_, parameters) = Llama.initialized(configuration, seed: 3)
    let ready = try RotationPreparation.prepared(configuration, parameters)
    return (Llama(ready.configuration, .unfilled()), ready.configuration, ready.parameters)
  }

  private let scheme: QuantizationScheme = {
    let token = QuantizationRule(format: "int4", granularity: .token, isSymmetric: false)
    let head = QuantizationRule(format: "int4", granularity: .head(size: 8), isSymmetric: false)
    return QuantizationScheme(
      weights: QuantizationRule(format: "int8", granularity: .channel), activations: token,
      keys: head, values: head,
      rotations: RotationRule([.residual, .values, .keys, .feedForward], signSeed: 5))
  }()

  private let tokens: [Int32] = (0..<24).map { Int32(($0 * 7 + 3) % 40) }

  private func gradients(
    _ model: Llama, _ store: ParameterStore, _ instrumentation: any Instrumentation
  ) throws -> (loss: Float, gradients: Gradients) {
    let found = try differentiate(
      store, mode: .training(step: 0), instrumentation: instrumentation,
      trainable: RotationLearning.pattern.matches
    ) { pass in
      model.nextTokenLoss(
        TokenWindow(tokens, batch: 2, length: 12), targets: tokens.reversed(), pass)
    }
    return (found.loss, found.gradients)
  }

  @Test(
    "What quantization changed gives the gradient that turning every activation there and back gives",
    arguments: [false, true], [false, true])
  func equalsTheLongWay(hasNorms: Bool, quantizesWeights: Bool) throws {
    let (model, configuration, base) = try model { $0.queryKeyNorm = hasNorms }
    var scheme = scheme
    if quantizesWeights { scheme.weights = QuantizationRule(format: "int4") }
    let plan = try QuantizationPlan(scheme, for: base)
    let learning = try RotationLearning(
      plan, configuration, base: base, scalings: Set(ScalingPair.allCases),
      quantizesWeights: quantizesWeights, precision: .float32)
    var merged = base
    learning.start(&merged, .hadamard(seed: 11))
    // Factors away from 1, so that every order of factors shows.
    for path in learning.frames.learned.map(\.path) where path.name.contains("scaling") {
      var stream = RandomStream(seed: 9).derived(path.name)
      merged[path] = Tensor(
        merged[path].shape,
        elements: (0..<merged[path].count).map { _ in 0.2 * stream.normalPair().0 })
    }
    learning.merge(into: &merged)
    var turned = base
    for path in learning.frames.learned.map(\.path) {
      turned.declare(path, merged[path], kind: merged.parameter(at: path)!.kind)
    }
    let short = try gradients(model, merged, learning)
    let long = try gradients(
      model, turned,
      TurnedActivations(
        plan: plan, frames: learning.frames, turnsWeights: quantizesWeights))
    #expect(abs(short.loss - long.loss) < 1e-4 * abs(long.loss))
    for path in learning.frames.learned.map(\.path) {
      let (a, b) = (
        tangent(short.gradients[path]!, merged[path]), tangent(long.gradients[path]!, merged[path])
      )
      let difference = (a - b).magnitude().maximum()
      #expect(difference < 2e-3 * max(b.magnitude().maximum(), 1e-3), "\(path)")
    }
  }

  @Test("Weights alone teach rotations when activations stay float")
  func weightsAlone() throws {
    let (model, configuration, base) = try model()
    let plan = try QuantizationPlan(
      QuantizationScheme(
        weights: QuantizationRule(format: "int3"), rotations: RotationRule([.residual, .values])),
      for: base)
    func gradients(quantizesWeights: Bool) throws -> Gradients {
      let learning = try RotationLearning(
        plan, configuration, base: base, scalings: [.feedForward],
        quantizesWeights: quantizesWeights, precision: .float32)
      var merged = base
      learning.start(&merged, .hadamard(seed: 11))
      return try self.gradients(model, merged, learning).gradients
    }
    let found = try gradients(quantizesWeights: true)
    for path: ParameterPath in [
      "rotation.r1", "rotation.layers.1.r2", "rotation.layers.0.scaling.feed-forward",
    ] { #expect(found[path]!.magnitude().maximum() > 1e-4, "\(path)") }
  }

  /// What of a gradient moves a rotation: the skew part in the coordinates of the rotation.
  private func tangent(_ gradient: Tensor, _ point: Tensor) -> Tensor {
    guard point.shape.rank == 2 else { return gradient }
    let body = point.matmul(gradient, transposingSelf: true)
    return (body - body.transposed().contiguous()) * 0.5
  }
}
