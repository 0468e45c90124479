import GyroAutodiff
import GyroTensors

/// How the statistics of several layers are estimated anew.
public enum BatchNormReestimation: Sendable {
  /// One pass over the batches, each layer normalizing by the statistics of the batch, as in
  /// training: what AIMET does.
  case together
  /// One pass for each layer, in the order they are declared, with those before it already set:
  /// the statistics are then those of a single batch of everything, whatever the batches were.
  case layerByLayer
}

extension ParameterStore {
  /// Sets the running statistics of every batch normalization to the exact pooled moments of
  /// what the layer sees over all batches; the variance unbiased. After quantization-aware training
  /// the running averages still hold steps of long ago, when weights rounded otherwise.
  ///
  /// For normalizations that are kept (`live` or `frozen`).
  /// - Parameters:
  ///   - batches: called anew for each pass.
  ///   - instrumentation: the quantization that the model is used with.
  ///   - forward: runs the model on a batch.
  /// - Returns: the layers that were set.
  @discardableResult
  public mutating func reestimateBatchNorm<Batches: Sequence>(
    _ order: BatchNormReestimation = .together, batches: () throws -> Batches,
    instrumentation: any Instrumentation = NoInstrumentation(),
    forward: (Batches.Element, ForwardPass) throws -> Void
  ) rethrows -> [ParameterPath] {
    func pass(over store: ParameterStore, only layer: ParameterPath?) throws -> [ParameterPath:
      PooledMoments]
    {
      var pooled: [ParameterPath: PooledMoments] = [:]
      let collecting = CollectingMoments(base: instrumentation, layer: layer)
      for batch in try batches() {
        let pass = ForwardPass(store, instrumentation: collecting)
        try forward(batch, pass)
        for (path, count) in pass.statistics where path.name.hasSuffix(".batch_count") {
          let layer = ParameterPath(String(path.name.dropLast(".batch_count".count)))
          pooled[layer, default: PooledMoments()].add(
            mean: pass.statistics[layer.appending("running_mean")]!.elements,
            unbiasedVariance: pass.statistics[layer.appending("running_var")]!.elements,
            count: Double(count.item))
        }
      }
      return pooled
    }
    let found = try pass(over: self, only: nil)
    let layers = paths.compactMap { path -> ParameterPath? in
      guard path.name.hasSuffix(".running_mean") else { return nil }
      let layer = ParameterPath(String(path.name.dropLast(".running_mean".count)))
      return found[layer] == nil ? nil : layer
    }
    for layer in layers {
      let moments =
        switch order {
        case .together: found[layer]!
        case .layerByLayer: try pass(over: self, only: layer)[layer]!
        }
      let channels = Shape([moments.mean.count])
      self[layer.appending("running_mean")] = Tensor(
        channels, elements: moments.mean.map(Float.init))
      self[layer.appending("running_var")] = Tensor(
        channels, elements: moments.unbiasedVariance.map(Float.init))
    }
    return layers
  }
}

/// Mean and variance of the union of batches (Chan et al., 1983), in double precision.
private struct PooledMoments {
  private(set) var mean: [Double] = []
  private var squares: [Double] = []
  private var count = 0.0

  var unbiasedVariance: [Double] { squares.map { $0 / Swift.max(count - 1, 1) } }

  mutating func add(mean other: [Float], unbiasedVariance variance: [Float], count new: Double) {
    if mean.isEmpty {
      mean = Array(repeating: 0, count: other.count)
      squares = mean
    }
    let total = count + new
    for channel in mean.indices {
      let difference = Double(other[channel]) - mean[channel]
      squares[channel] +=
        Double(variance[channel]) * (new - 1) + difference * difference * count * new / total
      mean[channel] += difference * new / total
    }
    count = total
  }
}

/// An instrumentation under which normalizations collect the moments of a pass.
private struct CollectingMoments: Instrumentation {
  let base: any Instrumentation
  /// The layer that collects; all of them when nil. Others normalize by what they have.
  let layer: ParameterPath?

  func weight(_ value: Variable, of parameter: Parameter, _ pass: ForwardPass) -> Variable {
    base.weight(value, of: parameter, pass)
  }
  func activation(_ value: Variable, at site: Site, _ pass: ForwardPass) -> Variable {
    base.activation(value, at: site, pass)
  }
  func wants(_ site: Site) -> Bool { base.wants(site) }
  func batchNorm(_ path: ParameterPath, _ pass: ForwardPass) -> BatchNormTreatment {
    layer == nil || layer == path ? .collecting : .frozen
  }
}
