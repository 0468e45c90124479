import GyroModels
import GyroQuantization
import GyroTensors

/// What decides how a quantized weight may lie in a file: everything but the numbers.
struct GGUFWeightTraits {
  let format: any NumberFormat
  let isSymmetric: Bool
  let scaleFormat: ScaleFormat
  let columns: Int
  /// How many neighbors in a row share a scale.
  let runLength: Int
  /// Whether llama.cpp takes the second level of two-level scales there.
  let takesTensorScale: Bool

  init(
    _ path: ParameterPath, _ shape: Shape, format: any NumberFormat, granularity: Granularity,
    scaleFormat: ScaleFormat, isSymmetric: Bool
  ) {
    self.format = format
    self.isSymmetric = isSymmetric
    self.scaleFormat = scaleFormat
    columns = shape.columns
    runLength =
      switch granularity {
      case .tensor, .channel, .token: columns
      case .group(let size), .head(let size): size
      case .block(_, let width): width
      }
    takesTensorScale = GGUFNames.takesTensorScale(path)
  }

  /// The codes as whole numbers; nil when they are none, or when scales come in two levels, whose
  /// product rounds twice.
  var lattice: GGUFLattice? {
    scaleFormat == .e4m3 ? nil : GGUFLattice(format, isSymmetric: isSymmetric)
  }

  /// Whether a row is a whole number of blocks, each with one scale where it has one.
  func fits(_ type: GGUFType) -> Bool {
    // Sub-blocks of Q4_K and Q6_K have steps of their own, but only whole multiples of one scale.
    let run = [.q4K, .q6K].contains(type) ? type.blockSize : type.runLength
    return columns.isMultiple(of: type.blockSize) && runLength.isMultiple(of: run)
  }

  /// Whether blocks of a type hold all codes of the format, whatever scales and shape.
  func holdsCodes(_ type: GGUFType) -> Bool {
    if type.scalarType != nil { return true }
    let isE2M1 = (format as? Minifloat) == .e2m1
    switch type {
    case .mxfp4: return isE2M1 && [.e8m0, .powerOfTwo].contains(scaleFormat)
    case .nvfp4: return isE2M1 && scaleFormat == .e4m3 && takesTensorScale
    default: break
    }
    guard let lattice else { return false }
    let range = lattice.differences(isSymmetric: isSymmetric)
    func within(_ limits: ClosedRange<Int>) -> Bool { limits.contains(range) }
    return switch type {
    case .q40: within(-8...7)
    case .q50: within(-16...15)
    case .q6K: within(-32...31)
    case .q80: within(-128...127)
    case .tq10, .tq20: within(-1...1)
    case .q41, .q4K: isSymmetric ? within(-8...7) : lattice.range.upperBound <= 15
    case .q51: isSymmetric ? within(-16...15) : lattice.range.upperBound <= 31
    default: false
    }
  }

  /// Block types that can hold the weight, the best one first. Those with a rounded offset count only
  /// where it happens to be exact.
  var candidates: [GGUFType] {
    var order: [GGUFType] = [.mxfp4, .nvfp4]
    if !isSymmetric { order += [.q4K, .q41] }
    order.append(.q40)
    if !isSymmetric { order.append(.q51) }
    order += [.q50, .q6K, .q80]
    return order.filter { holdsCodes($0) && fits($0) }
  }
}

/// How well a block type holds the scales of a weight.
enum GGUFScaleFit: Comparable {
  /// Bit for bit.
  case exact
  /// To within 2^−11, relative to each.
  case rounded
  /// Beyond the range of half precision.
  case none
}

/// The numbers of a weight as blocks take them.
struct GGUFScales {
  /// `d` of each group, in Float32.
  let scales: [Float]
  /// Where zero lies in each group; nil when it is in the middle.
  let zeroPoints: [Int]?

  init(_ codes: QuantizedTensor, _ traits: GGUFWeightTraits) {
    let unit = traits.lattice?.unit ?? 1
    scales = codes.scales.scales.elements.map { $0 * unit }
    zeroPoints = codes.scales.zeroPoints?.elements.map { Int($0) }
  }

  /// The offset `m = −zero · scale` of types that have one; what lies in the middle is at `middle`.
  func offset(_ group: Int, middle: Int) -> Float {
    -Float(zeroPoints?[group] ?? middle) * scales[group]
  }

  /// How well a type holds these.
  func fit(_ type: GGUFType) -> GGUFScaleFit {
    switch type {
    case .mxfp4:
      return scales.allSatisfy { $0.significand == 1 && $0 <= 0x1p127 } ? .exact : .none
    case .nvfp4: return .exact
    case .q41, .q51:
      let middle = type == .q41 ? 8 : 16
      return scales.indices.reduce(.exact) { worst, group in
        let offset = offset(group, middle: middle)
        let fit = max(worst, Self.fit(scales[group]))
        return offset == 0 ? fit : max(fit, Self.fit(offset))
      }
    default: return scales.reduce(.exact) { max($0, Self.fit($1)) }
    }
  }

  private static func fit(_ value: Float) -> GGUFScaleFit {
    let half = Float16(value)
    if Float(half) == value { return .exact }
    return half.isFinite && half.magnitude >= .leastNormalMagnitude ? .rounded : .none
  }
}
