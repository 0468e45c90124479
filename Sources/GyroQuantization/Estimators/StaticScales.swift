import GyroAutodiff
import GyroTensors

/// Scales found once and kept: the states of estimators that learn nothing about the range, and the
/// part that learned ranges keep beside what they learn.
enum StaticScales {
  static let scale = "scale", zeroPoint = "zero_point", tensorScale = "tensor_scale"

  static func names(_ quantizer: Quantizer) -> [String] {
    [scale] + (quantizer.isSymmetric ? [] : [zeroPoint])
      + (quantizer.scaleFormat == .e4m3 ? [tensorScale] : [])
  }

  static func states(_ scales: GroupScales, _ quantizer: Quantizer) -> [EstimatorState] {
    let values = [
      scale: scales.scales, zeroPoint: scales.zeroPoints ?? scales.scales,
      tensorScale: Tensor([1], elements: [scales.tensorScale]),
    ]
    return names(quantizer).map { EstimatorState($0, values[$0]!, isTrained: false) }
  }

  /// The scales of these states; nil when there are none, and the range follows the data.
  static func scales(_ state: [String: Tensor], _ quantizer: Quantizer) -> GroupScales? {
    state[scale].map {
      GroupScales(
        scales: $0, zeroPoints: quantizer.isSymmetric ? nil : state[zeroPoint],
        tensorScale: state[tensorScale]?.item ?? 1)
    }
  }
}

extension [String: Variable] {
  /// The values alone.
  var values: [String: Tensor] { mapValues(\.value) }
}

extension GradientEstimator {
  /// The scales of states that must be there.
  func requiredScales(_ quantizer: Quantizer, _ state: [String: Variable]) -> GroupScales {
    let names = stateNames(quantizer)
    guard names.allSatisfy({ state[$0] != nil }), let scales = scales(quantizer, state.values)
    else {
      preconditionFailure("\(name): states \(names) were expected, \(state.keys.sorted()) came")
    }
    return scales
  }
}

extension Quantizer {
  /// Learned scales are Float32; they are rounded to the type that scales are stored in, the way it
  /// says, before they are used.
  func stored(_ scales: Tensor, tensorScale: Float = 1) -> Tensor {
    guard scaleFormat != .float32 else { return scales }
    return Tensor(
      scales.shape,
      elements: scales.elements.map {
        min(kernelScale($0 * span, tensorScale), scaleFormat.largest)
      })
  }

  /// The mean magnitude of each group.
  func meanMagnitudes(_ x: Tensor) -> [Float] {
    let layout = groups(of: x.shape)
    return granularity.gathered(x).magnitude().reshaped([layout.groups, layout.length])
      .mean(axes: [1]).elements
  }

  /// A group's scale must mean the same thing at every step, so groups may not come and go with the
  /// size of a batch.
  func requireFixedGroups(for estimator: String) throws(QuantizationError) {
    switch granularity {
    case .token, .head:
      throw .granularity(
        granularity, for: "\(estimator), whose ranges are learned",
        allowed: ["tensor", "channel", "group-32", "block-128x128"])
    case .tensor, .channel, .group, .block: return
    }
  }

  func requireSymmetric(for estimator: String, instead: String) throws(QuantizationError) {
    guard isSymmetric else {
      throw .estimator(
        estimator, problem: "learns no zero point", advice: "use \(instead), or 'symmetric: true'")
    }
  }
}
