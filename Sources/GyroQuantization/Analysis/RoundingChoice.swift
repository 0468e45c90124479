public import GyroTensors

/// Which of the two neighboring whole numbers a value becomes. Nearest is best for each value by
/// itself; for what a layer computes from many values it need not be (2004.10568 §3).
public enum RoundingChoice: String, Sendable, Hashable, Codable, CaseIterable {
  /// The nearest, half to even.
  case nearest
  /// The lower one.
  case floor
  /// The upper one.
  case ceiling
  /// The upper one with a probability that equals the distance to the lower one, so that the
  /// expected value is exact.
  case stochastic

  /// A tensor with each group on its grid, rounded this way; values beyond the range saturate.
  ///
  /// - Parameters:
  ///   - layout: how the tensor is cut; groups are contiguous.
  ///   - random: decides where rounding is stochastic.
  /// - Precondition: One scale a group, no zero points.
  public func rounded(
    _ x: Tensor, _ format: IntegerFormat, _ scales: GroupScales, _ layout: GroupLayout,
    _ random: inout RandomStream
  ) -> Tensor {
    precondition(
      scales.scales.count == layout.groups && scales.zeroPoints == nil
        && layout.groups * layout.length == x.count,
      "RoundingChoice: \(scales.scales.count) scales for \(layout.groups) groups of "
        + "\(layout.length) in \(x.count) elements; expected one a group and no zero points")
    let groupScales = scales.scales.elements
    return x.withElements { source in
      Tensor.filled(x.shape) { target in
        for group in 0..<layout.groups {
          let scale = groupScales[group]
          for index in group * layout.length..<(group + 1) * layout.length {
            let whole = self.whole(source[index] / scale, &random)
            target[index] = min(max(whole, format.lowest), format.largest) * scale
          }
        }
      }
    }
  }

  private func whole(_ value: Float, _ random: inout RandomStream) -> Float {
    switch self {
    case .nearest: return value.rounded(.toNearestOrEven)
    case .floor: return value.rounded(.down)
    case .ceiling: return value.rounded(.up)
    case .stochastic:
      let lower = value.rounded(.down)
      return random.uniform() < value - lower ? lower + 1 : lower
    }
  }
}

extension RoundingError {
  /// The error of one tensor as a stand-in for another, the mean over elements.
  public init(of rounded: Tensor, from exact: Tensor) {
    precondition(
      rounded.shape == exact.shape,
      "RoundingError: \(rounded.shape) stands for \(exact.shape)")
    let count = exact.count
    var (noise, correlation, power) = (0.0, 0.0, 0.0)
    rounded.withElements { rounded in
      exact.withElements { exact in
        for index in 0..<count {
          let x = Double(exact[index])
          let difference = Double(rounded[index]) - x
          noise += difference * difference
          correlation += x * difference
          power += x * x
        }
      }
    }
    let total = Double(max(count, 1))
    self.init(noise: noise / total, correlation: correlation / total, power: power / total)
  }
}
