import CGyroKernels
import GyroTensors

/// The search of `gyro_range_search.h` for a quantizer.
struct RangeSearch {
  private let quantizer: Quantizer
  private var settings: gyro_range_search

  /// How many steps a search takes, and where it begins.
  ///
  /// Floats may gain from a range beyond the data, because their grid repeats with every power of
  /// two (2208.09225 tries 1.2 times the largest magnitude). Codebooks of more than 16 levels are
  /// projected by comparisons with each, so they get a tenth of the steps.
  /// - Parameters:
  ///   - tensorReach: where scales are stored in two levels, the reach that the tensor's own scale
  ///     follows from, and that no group may exceed; nil for a single group, whose scale is then as
  ///     fine as Float32.
  ///   - inPlane: whether both ends of an asymmetric range are moved in all combinations.
  ///   - steps: into how many steps the data's range is cut.
  init(
    _ method: RangeMethod, _ quantizer: Quantizer, tensorReach: Float? = nil, inPlane: Bool,
    steps: Int = 100
  ) {
    self.quantizer = quantizer
    settings = gyro_range_search()
    let isSingle = quantizer.scaleFormat == .e4m3 && tensorReach == nil
    let scaleFormat = isSingle ? .float32 : quantizer.scaleFormat
    settings.quantizer.scale_format = scaleFormat.kernelCode
    settings.quantizer.is_asymmetric = quantizer.isSymmetric ? 0 : 1
    settings.quantizer.span = quantizer.span
    settings.tensor_scale =
      tensorReach.map { quantizer.tensorScale ?? quantizer.kernelTensorScale($0) } ?? 1
    settings.error = Int32(GYRO_ERROR_SQUARE)
    settings.order = Int32(GYRO_SEARCH_GRID)
    settings.ends = Int32(inPlane ? GYRO_ENDS_IN_PLANE : GYRO_ENDS_IN_TURN)
    settings.reach = 1
    if case .floats = quantizer.format.arithmetic, tensorReach == nil { settings.reach = 1.2 }
    var isLong = false
    if case .levels(let levels) = quantizer.format.arithmetic { isLong = levels.count > 16 }
    settings.steps = Int32(steps)
    settings.tried = settings.steps
    settings.refinement = isLong ? 1 : 10
    switch method {
    case .clipSearch:
      settings.error = Int32(GYRO_ERROR_POWER_2_4)
      settings.ends = Int32(GYRO_ENDS_TOGETHER)
      settings.reach = 1
      settings.tried = settings.steps * 4 / 5
      settings.refinement = 1
    case .meanSquare(.goldenSection):
      settings.order = Int32(GYRO_SEARCH_GOLDEN)
      settings.ends = Int32(GYRO_ENDS_IN_TURN)
    default: break
    }
  }

  /// The best range of each of `groups` equal runs of elements.
  /// - Parameter weights: how much each element counts; one each when nil.
  func ranges(_ x: Tensor, weights: [Double]? = nil, groups: Int) -> [ClosedRange<Float>] {
    guard groups > 0 else { return [] }
    var lows = [Float](repeating: 0, count: groups)
    var highs = lows
    withKernel { settings in
      x.withElements { elements in
        gyro_search_ranges(
          settings, elements, weights, Int64(groups), Int64(x.count / groups), &lows, &highs)
      }
    }
    return zip(lows, highs).map { $0...$1 }
  }

  /// The error of each of several ranges over all elements.
  func errors(
    _ x: Tensor, weights: [Double]? = nil, of ranges: [ClosedRange<Float>]
  ) -> [Double] {
    var errors = [Double](repeating: 0, count: ranges.count)
    withKernel { settings in
      x.withElements { elements in
        gyro_range_errors(
          settings, elements, weights, Int64(x.count), ranges.map(\.lowerBound),
          ranges.map(\.upperBound), Int64(ranges.count), &errors)
      }
    }
    return errors
  }

  private func withKernel(_ body: (UnsafePointer<gyro_range_search>) -> Void) {
    var settings = settings
    quantizer.format.withKernelFormat {
      settings.quantizer.format = $0.pointee
      body(&settings)
    }
  }
}
