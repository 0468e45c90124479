import Foundation
import GyroQuantization
import GyroTensors

/// The names of what one weight is stored as: `w_quantized`, `w_scale`, `w_zero_point`,
/// `w_global_scale`, `w_levels`; a weight that stays float has its own name.
struct ONNXWeightNames {
  let codes, scale, zeroPoint, globalScale, levels: String

  init(_ name: String) {
    codes = name + "_quantized"
    scale = name + "_scale"
    zeroPoint = name + "_zero_point"
    globalScale = name + "_global_scale"
    levels = name + "_levels"
  }
}

extension ONNXGraph {
  /// A weight's codes and scales, and the operators that decode them; bit for bit what
  /// `QuantizedTensor.tensor` is.
  mutating func weight(
    _ name: String, _ weight: QuantizedTensor, isTransposed: Bool
  ) -> ONNXValue {
    let names = ONNXWeightNames(name)
    let layout = ONNXWeightLayout(
      shape: weight.shape, granularity: weight.granularity, isTransposed: isTransposed)
    let codes = ONNXCodes(weight.format, isSymmetric: weight.isSymmetric)
    let isTwoLevel = weight.scaleFormat == .e4m3
    let scales =
      isTwoLevel
      ? weight.scaleFormat.scales(of: weight.scaleFormat.codes(of: weight.scales))
      : weight.scales.scales.elements
    let table = codes.numbers(weight.format, isSymmetric: weight.isSymmetric)
    let numbers = weight.codeArray.map { table[Int($0)] }
    require(codes.type)
    var value =
      codes.decoding == .level
      ? looked(up: weight, numbers, scales, codes, names)
      : dequantized(weight, layout.stored(numbers), scales, codes, layout, names)
    let whole = weight.scales.tensorScale
    if isTwoLevel, whole != 1 {
      value = multiply(value, initializer(names.globalScale, .float, [], [whole].data))
    }
    return codes.decoding == .level && isTransposed ? transpose(value, [1, 0]) : value
  }

  private mutating func dequantized(
    _ weight: QuantizedTensor, _ numbers: [UInt8], _ scales: [Float], _ codes: ONNXCodes,
    _ layout: ONNXWeightLayout, _ names: ONNXWeightNames
  ) -> ONNXValue {
    var inputs = [
      initializer(names.codes, codes.type, layout.extents, codes.packed(numbers)),
      initializer(
        names.scale, .float, layout.scaleExtents, layout.stored(groups: scales).data),
    ]
    if let zeroPoints = weight.scales.zeroPoints {
      let numbers = layout.stored(groups: zeroPoints.elements).map { UInt8($0) }
      inputs.append(
        initializer(names.zeroPoint, codes.type, layout.scaleExtents, codes.packed(numbers)))
    }
    var attributes: [ONNXAttributeProto] = []
    if layout.granularity != .tensor { attributes.append(.integer("axis", layout.axis)) }
    if let run = layout.run {
      attributes.append(.integer("block_size", run))
      require(operatorSet: 21)
    }
    return append("DequantizeLinear", inputs, extents: layout.extents, attributes)
  }

  /// Levels from a table, in the model's order, times each group's scale.
  private mutating func looked(
    up weight: QuantizedTensor, _ numbers: [UInt8], _ scales: [Float], _ codes: ONNXCodes,
    _ names: ONNXWeightNames
  ) -> ONNXValue {
    let layout = ONNXWeightLayout(
      shape: weight.shape, granularity: weight.granularity, isTransposed: false)
    let scales = layout.stored(groups: scales)
    let levels = ONNXCodes.levels(weight.format)
    let table = initializer(names.levels, .float, [levels.count], levels.data)
    let places = initializer(
      names.codes, codes.type, [scales.count, weight.count / max(scales.count, 1)],
      codes.packed(numbers))
    let scale = initializer(names.scale, .float, [scales.count, 1], scales.data)
    let values = multiply(gather(table, cast(places, to: .int32)), scale)
    return reshape(values, to: weight.shape.dimensions)
  }
}

extension [Float] {
  /// The bytes of the numbers.
  var data: Data { Data(littleEndian: map(\.bitPattern)) }
}
