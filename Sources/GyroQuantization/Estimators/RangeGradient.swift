import CGyroKernels
import GyroAutodiff
import GyroTensors

/// Sums over each group from which the gradients of all ranges follow. With `u = x / scale`, p its
/// projection and c the cotangent of `p · scale`:
struct RangeSums {
  /// Σ c·(p − u) over elements inside the range: what rounding says about the scale.
  let rounding: [Float]
  /// Σ c·p over elements outside: what clipping says about it. With a zero point z, p lies in
  /// `−z … span − z`.
  let saturated: [Float]
  /// Σ c over elements outside: the derivative of a shift of the whole grid.
  let outside: [Float]

  /// ∂/∂scale, with the grid's zero where it is (1902.08153 §2.1): `p − u` inside, p outside.
  var scale: [Float] { zip(rounding, saturated).map { $0 + $1 } }
}

/// A projection whose value was computed beforehand, and its gradients with respect to x and to
/// whatever its scales are functions of.
///
/// Inputs: x, the value, and the trained states. Saves x, which shares its storage.
struct RangeGradientOp: Op {
  let quantizer: Quantizer
  let scales: GroupScales
  /// How far beyond the ends, in the format's units, an element still counts as inside.
  var slack: Float = 0
  /// δ of element-wise gradient scaling, per unit of the format.
  var errorWeight: Float = 0
  /// The gradients of the states, each `[groups]`.
  let gradients: @Sendable (RangeSums) -> [[Float]]

  func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Tensor) {
    (inputs[1], inputs[0])
  }

  func pullback(_ cotangent: Tensor, _ x: Tensor, needs: [Bool]) -> [Tensor?] {
    let needsStates = needs.dropFirst(2).contains(true)
    let (gradient, sums) = quantizer.rangeGradient(
      x, cotangent, scales, slack: slack, errorWeight: errorWeight, needsX: needs[0],
      needsSums: needsStates)
    let states = sums.map(gradients) ?? []
    return [gradient, nil]
      + needs.dropFirst(2).enumerated().map { index, needed in
        needed ? Tensor([states[index].count], elements: states[index]) : nil
      }
  }
}

extension Quantizer {
  /// The gradient of x, and the sums for those of the range, in one pass over x and the cotangent.
  func rangeGradient(
    _ x: Tensor, _ cotangent: Tensor, _ scales: GroupScales, slack: Float, errorWeight: Float,
    needsX: Bool, needsSums: Bool
  ) -> (x: Tensor?, sums: RangeSums?) {
    let layout = groups(of: x.shape)
    let (groups, length) = (Int64(layout.groups), Int64(layout.length))
    let (source, weights) = (granularity.gathered(x), granularity.gathered(cotangent))
    var gradient: Tensor? = needsX ? Tensor(uninitialized: source.shape) : nil
    var sums: Tensor? = needsSums ? .zeros([3, layout.groups]) : nil
    let partial =
      needsSums
      ? Tensor(uninitialized: [Int(gyro_learned_scale_partials(groups, length))]) : nil
    let target = gradient?.withMutableElements { $0 }
    let totals = sums?.withMutableElements { $0 }
    withLearnedScale(scales, slack, errorWeight) { range in
      source.withElements { source in
        weights.withElements { weights in
          let work = partial?.withElements { UnsafeMutablePointer(mutating: $0) }
          gyro_learned_scale_gradient(
            range, source, weights, groups, length, target, totals, work)
        }
      }
    }
    let result = gradient.map { granularity.scattered($0, x.shape) }
    guard let elements = sums?.elements else { return (result, nil) }
    let rows = (0..<3).map { Array(elements[$0 * layout.groups..<($0 + 1) * layout.groups]) }
    return (result, RangeSums(rounding: rows[0], saturated: rows[1], outside: rows[2]))
  }

  /// Calls `body` with the quantizer as the kernels of `gyro_learned_scale.h` know it.
  func withLearnedScale(
    _ scales: GroupScales, _ slack: Float = 0, _ errorWeight: Float = 0,
    _ body: (UnsafePointer<gyro_learned_scale>) -> Void
  ) {
    format.withKernelFormat { format in
      scales.scales.withElements { pointer in
        var range = gyro_learned_scale()
        range.format = format.pointee
        range.scales = pointer
        range.span = span
        range.slack = slack
        range.error_weight = errorWeight
        guard let zeroPoints = scales.zeroPoints else { return body(&range) }
        zeroPoints.withElements {
          range.zero_points = $0
          body(&range)
        }
      }
    }
  }

  /// The variable on its grid, with the gradients of a range.
  /// - Parameters:
  ///   - states: the trained states, in the order of `gradients`' results.
  ///   - snapped: x moved onto the grid by a rule other than the nearest value; nil for that one.
  func quantize(
    _ x: Variable, with scales: GroupScales, states: [Variable] = [], snapped: Tensor? = nil,
    slack: Float = 0, errorWeight: Float = 0,
    gradients: @escaping @Sendable (RangeSums) -> [[Float]] = { _ in [] }
  ) throws(NotFiniteRow) -> Variable {
    let value = try projected(snapped ?? x.value, with: scales)
    let op = RangeGradientOp(
      quantizer: self, scales: scales, slack: slack, errorWeight: errorWeight,
      gradients: gradients)
    return .apply(op, to: [x, Variable(constant: value)] + states)
  }

  /// Half the distance between the two largest values: what rounds into the range is inside, so that
  /// the element a min–max range was made for is, whichever way its quotient was rounded.
  var halfStep: Float {
    guard isSymmetric else { return 0.5 }
    switch format.arithmetic {
    case .integers: return 0.5
    case .floats(let mantissaBits, _):
      return Float(
        sign: .plus, exponent: Int(format.largest.exponent) - mantissaBits - 1, significand: 1)
    case .levels(let levels): return (levels[levels.count - 1] - levels[levels.count - 2]) / 2
    }
  }
}
