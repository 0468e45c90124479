import GyroAutodiff
import GyroModels
import GyroTensors
import TestSupport
import Testing

/// Batch normalization under quantization-aware training: rows of the checklist by name.
@Suite struct BatchNormTrainingTests {
  private func images(_ count: Int, seed: UInt64 = 3) -> Tensor {
    var random = RandomStream(seed: seed)
    return random.normal([count, 2, 8, 8], mean: 0.3)
  }

  /// Statistics, gains and offsets that are not where they start.
  private func shaken(_ store: ParameterStore, seed: UInt64 = 5) -> ParameterStore {
    var result = store
    for path in store.paths {
      var random = RandomStream(seed: seed).derived(path.name)
      let shape = store[path].shape
      if path.name.hasSuffix("running_var") {
        result[path] = random.uniform(shape, in: 0.3..<3)
      } else if path.name.hasSuffix("running_mean") {
        result[path] = random.normal(shape, standardDeviation: 0.5)
      } else if store.parameter(at: path)?.kind == .normalization {
        result[path] = random.normal(
          shape, mean: path.name.hasSuffix("weight") ? 1 : 0, standardDeviation: 0.3)
      }
    }
    return result
  }

  private static let residual = ResNetConfiguration(
    channels: 2, classes: 3, widths: [4, 6], blocksPerStage: 1)
  private static let mobile = MobileNetConfiguration(
    channels: 2, classes: 3, stem: 4, blocks: [.init(width: 6, stride: 2), .init(width: 6)])

  private func models() -> [(any BatchNormFoldable, ParameterStore)] {
    let (residual, first) = ResNet.initialized(Self.residual, seed: 1)
    let (mobile, second) = MobileNet.initialized(Self.mobile, seed: 2)
    return [(residual, shaken(first)), (mobile, shaken(second))]
  }

  @Test func `BN folding static: folded equals unfolded`() {
    func check<Model: BatchNormFoldable>(_ model: Model, _ store: ParameterStore) {
      let (folded, parameters) = model.foldingBatchNorm(store)
      #expect(folded.isFolded && !model.isFolded)
      #expect(!parameters.paths.contains { $0.name.hasSuffix("running_mean") })
      #expect(parameters.sites.map(\.path) == store.sites.map(\.path))
      let x = Variable(constant: images(3))
      let before = model(x, ForwardPass(store)).value
      expectClose(
        folded(x, ForwardPass(parameters)).value, before, relative: 1e-5, absolute: 1e-5)
      // Folding again changes nothing, and the folded model can be trained.
      #expect(folded.foldingBatchNorm(parameters).parameters.paths == parameters.paths)
      let result = try? differentiate(parameters, mode: .training(step: 0)) {
        folded.classificationLoss(x, labels: [0, 1, 2], $0)
      }
      #expect(Set(result?.gradients.paths ?? []) == Set(parameters.parameterPaths))
    }
    for (model, store) in models() { check(model, store) }
  }

  @Test func `states of quantizers come along when normalization is folded`() {
    var (model, store) = ResNet.initialized(Self.residual, seed: 1)
    store.declare("conv1.input_scale", .ones([1]), kind: .quantizer)
    store["fc.bias"] = Tensor([3], elements: [1, 2, 3])
    let folded = model.foldingBatchNorm(store).parameters
    #expect(folded["conv1.input_scale"].item == 1)
    #expect(folded["fc.bias"].elements == [1, 2, 3])
    model = ResNet(Self.residual, ModelBuilder(seed: 1))
    let (lenet, plain) = LeNet.initialized(size: 12, seed: 1)
    #expect(lenet.foldingBatchNorm(plain).parameters.paths == plain.paths)
  }

  /// Chooses a treatment, and rounds weights to a grid if asked.
  private struct Treating: Instrumentation {
    let treatment: BatchNormTreatment
    var rounding: Float?

    func weight(_ value: Variable, of parameter: Parameter, _ pass: ForwardPass) -> Variable {
      guard let rounding, parameter.kind == .convolution else { return value }
      return value.standingFor((value.value * (1 / rounding)).rounded() * rounding)
    }
    func activation(_ value: Variable, at: Site, _ pass: ForwardPass) -> Variable { value }
    func batchNorm(_ layer: ParameterPath, _ pass: ForwardPass) -> BatchNormTreatment { treatment }
  }

  @Test func `BN double-forward with correction, freeze: equals BN in float mode, train and eval`()
    throws
  {
    let x = Variable(constant: images(6))
    let labels: [Int32] = [0, 1, 2, 0, 1, 2]
    func run<Model: BatchNormFoldable>(
      _ model: Model, _ store: ParameterStore, _ treatment: BatchNormTreatment
    ) throws -> Differentiation {
      try differentiate(
        store, mode: .training(step: 0), instrumentation: Treating(treatment: treatment)
      ) { model.classificationLoss(x, labels: labels, $0) }
    }
    func check<Model: BatchNormFoldable>(_ model: Model, _ store: ParameterStore) throws {
      for (plain, folded) in [
        (BatchNormTreatment.live, BatchNormTreatment.folded), (.frozen, .foldedFrozen),
      ] {
        let (a, b) = (try run(model, store, plain), try run(model, store, folded))
        expectClose([b.loss], [a.loss], relative: 1e-5)
        #expect(a.gradients.paths == b.gradients.paths)
        for path in a.gradients.paths {
          let size = a.gradients[path]!.maximumMagnitude
          expectClose(
            b.gradients[path]!, a.gradients[path]!, relative: 1e-3, absolute: 1e-4 * size + 1e-6,
            "\(path) \(folded)")
        }
        #expect(Set(a.statistics.keys) == Set(b.statistics.keys))
        #expect(a.statistics.isEmpty == (plain == .frozen))
        for (path, tensor) in a.statistics {
          expectClose(b.statistics[path]!, tensor, relative: 1e-4, absolute: 1e-5, "\(path)")
        }
        func scores(_ treatment: BatchNormTreatment) -> Tensor {
          model(x, ForwardPass(store, instrumentation: Treating(treatment: treatment))).value
        }
        expectClose(scores(folded), scores(plain), relative: 1e-5, absolute: 1e-5)
      }
    }
    for (model, store) in models() { try check(model, store) }
  }

  @Test func `frozen folded training computes what the folded model computes, bit for bit`() {
    func check<Model: BatchNormFoldable>(_ model: Model, _ store: ParameterStore) {
      let x = Variable(constant: images(4))
      let quantizing = Treating(treatment: .foldedFrozen, rounding: 0.05)
      let trained = model(
        x, ForwardPass(store, mode: .training(step: 0), instrumentation: quantizing))
      let (folded, parameters) = model.foldingBatchNorm(store)
      let shipped = folded(x, ForwardPass(parameters, instrumentation: quantizing))
      expectSameBits(shipped.value, trained.value)
    }
    for (model, store) in models() { check(model, store) }
  }

  @Test func `rounding under double-forward follows the running deviation, not the batch`() throws {
    // The same weights and statistics, two batches: the codes of the folded weights are the same.
    final class Seen: @unchecked Sendable { var weights: [Tensor] = [] }
    struct Watching: Instrumentation {
      let seen = Seen()
      func weight(_ value: Variable, of parameter: Parameter, _ pass: ForwardPass) -> Variable {
        if parameter.path == "conv1.weight" { seen.weights.append(value.value) }
        return value
      }
      func activation(_ value: Variable, at: Site, _ pass: ForwardPass) -> Variable { value }
      func batchNorm(_: ParameterPath, _: ForwardPass) -> BatchNormTreatment { .folded }
    }
    let (model, store) = ResNet.initialized(Self.residual, seed: 1)
    let watching = Watching()
    for seed in [1, 2] as [UInt64] {
      _ = model(
        Variable(constant: images(4, seed: seed)),
        ForwardPass(store, mode: .training(step: 0), instrumentation: watching))
    }
    _ = model(Variable(constant: images(4)), ForwardPass(store, instrumentation: watching))
    #expect(watching.seen.weights.count == 3)
    for weight in watching.seen.weights { expectSameBits(weight, watching.seen.weights[0]) }
  }

  @Test func `BN kept, absorbed per-channel scale: export equals the training graph in codes`() {
    let (model, initial) = MobileNet.initialized(Self.mobile, seed: 4)
    let store = shaken(initial)
    for layer in model.normalizedConvolutions {
      // Restricted int4 codes, one scale per output.
      let weight = store[layer.convolution.weight.path]
      let (outputs, each) = (weight.shape[0], weight.count / weight.shape[0])
      let rows = weight.reshaped([outputs, each])
      let scales = (0..<outputs).map { rows.sliced(axis: 0, $0..<$0 + 1).maximumMagnitude / 7 }
      let codes = weight.elements.enumerated().map { place, value in
        max(-7, min(7, (value / scales[place / each]).rounded(.toNearestOrEven)))
      }
      func decoded(_ scales: [Float]) -> Variable {
        Variable(
          constant: Tensor(
            weight.shape, elements: codes.enumerated().map { $1 * scales[$0 / each] }))
      }
      var random = RandomStream(seed: 6)
      let x = Variable(
        constant: random.normal([2, weight.shape[1] * layer.convolution.groups, 5, 5]))
      func convolved(_ weight: Variable, _ bias: Variable?) -> Variable {
        x.convolved(
          weight: weight, bias: bias, stride: (1, 1), padding: (1, 1),
          groups: layer.convolution.groups)
      }
      let trained = layer.norm!(convolved(decoded(scales), nil), ForwardPass(store)).value
      let absorbed = layer.absorbed(scales: Tensor([outputs], elements: scales), store)!
      let exported = convolved(
        decoded(absorbed.scales.elements), Variable(constant: absorbed.bias)
      ).relu6().value
      expectClose(exported, trained, relative: 1e-5, absolute: 1e-5)
      // The exported weight has the same codes under its own scales.
      let shipped = decoded(absorbed.scales.elements).value.elements
      #expect(
        shipped.indices.map { (shipped[$0] / absorbed.scales[$0 / each]).rounded() } == codes)
      #expect(
        absorbed.negated == absorbed.scales.elements.indices.filter { absorbed.scales[$0] < 0 })
    }
  }

  @Test func `several scales per output absorb too, and a negative gain is told`() {
    var (model, store) = ResNet.initialized(Self.residual, seed: 1)
    store["bn1.weight"] = Tensor([4], elements: [2, -1, 0, 1])
    store["bn1.running_var"] = Tensor([4], repeating: 0.25 - 1e-5)
    store["bn1.bias"] = Tensor([4], elements: [0, 0, 5, 0])
    store["bn1.running_mean"] = Tensor([4], elements: [1, 1, 1, 0])
    let absorbed = model.normalizedConvolutions[0].absorbed(scales: .ones([4, 2]), store)!
    #expect(absorbed.scales.elements == [4, 4, -2, -2, 0, 0, 2, 2])
    #expect(absorbed.bias.elements == [-4, 2, 5, 0])
    #expect(absorbed.negated == [1])
    model = model.foldingBatchNorm(store).model
    #expect(model.normalizedConvolutions[0].absorbed(scales: .ones([4]), store) == nil)
  }

  @Test func `BN re-estimation: statistics match a full pass`() throws {
    let all = images(25)
    let cuts = [0..<4, 4..<13, 13..<14, 14..<25]
    for (model, store) in models() {
      let whole = [Variable(constant: all)]
      let parts = cuts.map { Variable(constant: all.sliced(axis: 0, $0)) }
      func reestimated(
        _ order: BatchNormReestimation, _ batches: [Variable], _ rounding: Float? = nil
      ) -> ParameterStore {
        var result = store
        let layers = result.reestimateBatchNorm(
          order, batches: { batches },
          instrumentation: Treating(treatment: .live, rounding: rounding)
        ) { _ = run(model, $0, $1) }
        #expect(layers.count == model.normalizedConvolutions.count)
        return result
      }
      let full = reestimated(.layerByLayer, whole)
      let pooled = reestimated(.layerByLayer, parts)
      for path in store.paths {
        expectClose(pooled[path], full[path], relative: 1e-4, absolute: 1e-5, "\(path)")
        let isStatistic = path.name.contains("running_")
        #expect((full[path].elements != store[path].elements) == isStatistic, "\(path)")
      }
      // The first layer against its definition.
      let first = model.normalizedConvolutions[0]
      let output = first.convolution(whole[0], ForwardPass(store)).value
      let mean = output.mean(axes: [0, 2, 3])
      expectClose(pooled[first.norm!.runningMean.path], mean, relative: 1e-4, absolute: 1e-5)
      let deviation = output - mean.reshaped([1, mean.count, 1, 1])
      let variance = deviation.squared().sum(axes: [0, 2, 3]) / Float(25 * 64 - 1)
      expectClose(pooled[first.norm!.runningVariance.path], variance, relative: 1e-4)
      // One pass over one batch is the full pass; over several, later layers see other inputs.
      let together = reestimated(.together, whole)
      expectClose(
        together[first.norm!.runningMean.path], full[first.norm!.runningMean.path],
        relative: 1e-6)
      let last = model.normalizedConvolutions.last!.norm!.runningVariance.path
      expectClose(together[last], full[last], relative: 2e-2, absolute: 1e-3)
      // Rounded weights have statistics of their own.
      #expect(reestimated(.together, parts, 0.2)[last].elements != together[last].elements)
    }
  }

  private func run<Model: BatchNormFoldable>(
    _ model: Model, _ x: Variable, _ pass: ForwardPass
  ) -> Variable { model(x, pass) }

  @Test func `moments of a batch have the right gradients`() {
    var random = RandomStream(seed: 8)
    checkGradients(of: [random.normal([3, 4, 5, 3])]) { $0[0].batchMoments().mean }
    checkGradients(of: [random.normal([3, 4, 5, 3])]) { $0[0].batchMoments().inverseDeviation }
    checkGradients(
      of: [random.normal([3, 4, 2]), random.normal([4]), random.normal([4])]
    ) { $0[0].scaledPerChannel(by: $0[1], shiftedBy: $0[2]) }
  }
}
