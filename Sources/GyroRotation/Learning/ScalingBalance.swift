import Glibc
public import GyroModels
public import GyroTensors

/// Where scaling pairs start: each channel's factor makes both sides of the pair equally large,
/// `s = √(other / this)` in root mean squares (SmoothQuant, 2211.10438 §4, with α = ½). A channel that
/// stands out on one side because the other makes up for it comes back to the others at once.
extension RotationLearning {
  /// An instrumentation that records what `balance` needs; statistics are by path of site.
  public var balanceProbe: some Instrumentation {
    SiteProbe { [.input, .keys, .queries].contains($0.kind) }
  }

  /// Sets every scaling pair in `parameters` and merges.
  /// - Parameter samples: activations of the float model (`base`) by path of site.
  public func balance(
    _ parameters: inout ParameterStore, samples: [ParameterPath: Tensor]
  ) {
    for layer in 0..<configuration.layers {
      for pair in ScalingPair.allCases where scalings.contains(pair) {
        let path = RotationPaths.scaling(pair, layer)
        guard let (this, other) = sides(of: pair, layer, parameters, samples) else { continue }
        let count = parameters[path].count
        let (a, b) = (pooled(this, count), pooled(other, count))
        let logarithms = zip(a, b).map { this, other in
          this > 0 && other > 0 ? 0.25 * logf(other / this) : 0
        }
        let mean = logarithms.reduce(0, +) / Float(count)
        parameters[path] = Tensor([count], elements: logarithms.map { $0 - mean })
      }
    }
    merge(into: &parameters)
  }

  /// Mean squares and places of the columns of both sides of a pair.
  private typealias Side = (squares: [Float], places: [Int32])

  private func sides(
    of pair: ScalingPair, _ layer: Int, _ parameters: ParameterStore,
    _ samples: [ParameterPath: Tensor]
  ) -> (Side, Side)? {
    let scope = "model.layers.\(layer)."
    switch pair {
    case .attentionInputs:
      return activationsAndWeights(
        scope + "self_attn.input",
        ["q_proj", "k_proj", "v_proj"].map { scope + "self_attn." + $0 },
        pair, parameters, samples)
    case .feedForwardInputs:
      return activationsAndWeights(
        scope + "mlp.input", ["gate_proj", "up_proj"].map { scope + "mlp." + $0 }, pair, parameters,
        samples)
    case .values:
      return activationsAndWeights(
        scope + "self_attn.o_proj.input", [scope + "self_attn.o_proj"], pair, parameters, samples)
    case .feedForward:
      return activationsAndWeights(
        scope + "mlp.down_proj.input", [scope + "mlp.down_proj"], pair, parameters, samples)
    case .keys:
      guard let keys = side(at: scope + "self_attn.keys", pair, parameters, samples),
        let queries = side(at: scope + "self_attn.queries", pair, parameters, samples)
      else { return nil }
      return (keys, queries)
    }
  }

  private func activationsAndWeights(
    _ site: String, _ readers: [String], _ pair: ScalingPair, _ parameters: ParameterStore,
    _ samples: [ParameterPath: Tensor]
  ) -> (Side, Side)? {
    guard let this = side(at: site, pair, parameters, samples) else { return nil }
    var squares = [Float](repeating: 0, count: this.places.count)
    for reader in readers {
      let path = ParameterPath(reader + ".weight")
      guard let factors = frames.tensors[path]?.first(where: { !$0.isRows })?.factors else {
        return nil
      }
      let columns = turned(base[path].decodingApart(), factors, parameters)
      squares = zip(squares, columns.squared().sum(axes: [0]).elements).map(+)
    }
    return (this, (squares, this.places))
  }

  /// What stands at a site, in the coordinates the pair's factors act in.
  private func side(
    at site: String, _ pair: ScalingPair, _ parameters: ParameterStore,
    _ samples: [ParameterPath: Tensor]
  ) -> Side? {
    let path = ParameterPath(site)
    guard let sample = samples[path], let factors = frames.sites[path],
      let places = factors.lazy.compactMap({ factor in
        if case .scaling(_, let places, _) = factor { places } else { nil }
      }).first
    else { return nil }
    let rows = turned(sample.reshaped([-1, places.count]), factors, parameters)
    return (rows.squared().mean(axes: [0]).elements, places)
  }

  private func turned(
    _ rows: Tensor, _ factors: [FrameFactor], _ parameters: ParameterStore
  ) -> Tensor {
    var rows = rows
    for factor in factors {
      if case .scaling = factor { break }
      let values = factor.path.map { [$0: parameters[$0]] } ?? [:]
      rows = factor.applied(to: rows, values, precision: precision)
    }
    return rows
  }

  private func pooled(_ side: Side, _ count: Int) -> [Float] {
    var sums = [Float](repeating: 0, count: count)
    for (square, place) in zip(side.squares, side.places) { sums[Int(place)] += square }
    return sums
  }
}
