import Foundation
import GyroQuantization
import GyroTensors

@testable import GyroExport

/// The operators that exported graphs use, by ONNX's definitions.
enum ONNXOperators {
  /// - Parameter isSigned: Whether an input that is an initializer has a signed type.
  static func run(
    _ node: ONNXNodeProto, _ x: [Tensor], isSigned: (String) -> Bool
  ) -> Tensor {
    func attribute(_ name: String) -> ONNXAttributeProto? {
      node.attribute.first { $0.name == name }
    }
    func integers(_ name: String) -> [Int] { attribute(name)?.ints.map { Int($0) } ?? [] }
    func integer(_ name: String, _ fallback: Int) -> Int {
      attribute(name).map { Int($0.i) } ?? fallback
    }
    func axes(_ place: Int) -> [Int] {
      x.count > place ? x[place].elements.map { Int($0) } : integers("axes")
    }
    switch node.opType {
    case "Identity": return x[0]
    case "Add": return combine(x) { $0 + $1 }
    case "Sub": return combine(x) { $0 - $1 }
    case "Mul": return combine(x) { $0 * $1 }
    case "Div": return combine(x) { $0 / $1 }
    case "Min": return combine(x) { min($0, $1) }
    case "Max": return combine(x) { max($0, $1) }
    case "Equal": return combine(x) { $0 == $1 ? 1 : 0 }
    case "Greater": return combine(x) { $0 > $1 ? 1 : 0 }
    case "GreaterOrEqual": return combine(x) { $0 >= $1 ? 1 : 0 }
    case "Where":
      let shape = x[0].shape.broadcast(with: x[1].shape)!.broadcast(with: x[2].shape)!
      let parts = x.map { $0.broadcast(to: shape).elements }
      return Tensor(
        shape, elements: parts[0].indices.map { parts[0][$0] != 0 ? parts[1][$0] : parts[2][$0] })
    case "Abs": return map(x[0]) { abs($0) }
    case "Neg": return map(x[0]) { -$0 }
    case "Sqrt": return map(x[0]) { $0.squareRoot() }
    case "Round": return map(x[0]) { $0.rounded(.toNearestOrEven) }
    case "Sigmoid": return map(x[0]) { Float(1 / (1 + exp(-Double($0)))) }
    case "Relu": return map(x[0]) { max($0, 0) }
    case "Clip": return map(x[0]) { min(max($0, x[1].item), x[2].item) }
    case "Cast": return cast(x[0], integer("to", 0))
    case "QuantizeLinear": return quantized(x, isSigned(node.input[2]) ? -128...127 : 0...255)
    case "DequantizeLinear":
      return dequantized(x, axis: integer("axis", 1), block: integer("block_size", 0))
    case "MatMul": return product(x[0], x[1])
    case "Gemm":
      let result = product(x[0], x[1].transposed().contiguous())
      return x.count > 2 ? combine([result, x[2]]) { $0 + $1 } : result
    case "Conv":
      return convolved(
        x, stride: integers("strides")[0], padding: integers("pads")[0],
        groups: integer("group", 1))
    case "BatchNormalization": return normalized(x, attribute("epsilon")!.f)
    case "MaxPool": return pooled(x[0])
    case "GlobalAveragePool": return x[0].mean(axes: [2, 3], keepingAxes: true)
    case "ReduceMax": return reduce(x[0], axes(1)) { $0.max()! }
    case "ReduceMin": return reduce(x[0], axes(1)) { $0.min()! }
    case "ReduceMean":
      return reduce(x[0], axes(1)) { Float($0.reduce(0.0) { $0 + Double($1) } / Double($0.count)) }
    case "ReduceSum": return reduce(x[0], axes(1)) { $0.reduce(0, +) }
    case "Softmax": return x[0].softmax()
    case "Shape": return Tensor([x[0].shape.rank], elements: x[0].shape.dimensions.map(Float.init))
    case "Squeeze": return x[0].reshaped([])
    case "Unsqueeze": return x[0].reshaped([x[0].count, 1])
    case "Range":
      return Tensor([Int(x[1].item)], elements: (0..<Int(x[1].item)).map(Float.init))
    case "Reshape":
      return x[0].contiguous().reshaped(
        x[1].elements.enumerated().map { $1 == 0 ? x[0].shape[$0] : Int($1) })
    case "Transpose": return x[0].permuted(integers("perm")).contiguous()
    case "Slice":
      let axis = Int(x[3].item)
      return x[0].sliced(axis: axis, Int(x[1].item)..<min(Int(x[2].item), x[0].shape[axis]))
        .contiguous()
    case "Concat": return Tensor.concatenated(x, axis: integer("axis", 0))
    case "Gather":
      let columns = x[0].count / x[0].shape[0]
      let source = x[0].elements
      let shape = Shape(x[1].shape.dimensions + x[0].shape.dimensions.dropFirst())
      return Tensor(
        shape,
        elements: x[1].elements.flatMap { source[Int($0) * columns..<(Int($0) + 1) * columns] }
      )
    default: fatalError("the operator \(node.opType) is not defined here")
    }
  }

  // MARK: Elements

  private static func map(_ x: Tensor, _ body: (Float) -> Float) -> Tensor {
    Tensor(x.shape, elements: x.elements.map(body))
  }

  private static func combine(_ x: [Tensor], _ body: (Float, Float) -> Float) -> Tensor {
    let shape = x[0].shape.broadcast(with: x[1].shape)!
    let (a, b) = (x[0].broadcast(to: shape).elements, x[1].broadcast(to: shape).elements)
    return Tensor(shape, elements: zip(a, b).map(body))
  }

  private static func cast(_ x: Tensor, _ type: Int) -> Tensor {
    switch ONNXTensorProto.DataType(rawValue: type)! {
    case .float8E4M3Fn: map(x) { Minifloat.e4m3.project($0) }
    case .float8E5M2: map(x) { Minifloat.e5m2.project($0) }
    case .float16: map(x) { Minifloat16.project($0) }
    case .bfloat16:
      map(x) {
        let bits = $0.bitPattern
        return Float(bitPattern: (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
      }
    default: x
    }
  }

  private enum Minifloat16 {
    static func project(_ value: Float) -> Float {
      guard value != 0 else { return value }
      let step = Float(sign: .plus, exponent: max(Int(value.exponent), -14) - 10, significand: 1)
      return (value / step).rounded(.toNearestOrEven) * step
    }
  }

  // MARK: Quantization

  private static func quantized(_ x: [Tensor], _ range: ClosedRange<Float>) -> Tensor {
    map(x[0]) { value in
      let number = (value / x[1].item).rounded(.toNearestOrEven) + x[2].item
      return min(max(number, range.lowerBound), range.upperBound)
    }
  }

  private static func dequantized(_ x: [Tensor], axis: Int, block: Int) -> Tensor {
    let shape = x[0].shape, strides = shape.contiguousStrides
    let codes = x[0].elements, scales = x[1].elements, zeros = x.count > 2 ? x[2].elements : nil
    return Tensor(
      shape,
      elements: codes.indices.map { place in
        var group = 0
        if block > 0 {
          for (a, stride) in strides.enumerated() {
            let index = place / stride % shape[a]
            group = group * x[1].shape[a] + (a == axis ? index / block : index)
          }
        } else if scales.count > 1 {
          group = place / strides[axis] % shape[axis]
        }
        return (codes[place] - (zeros?[group] ?? 0)) * scales[group]
      })
  }

  // MARK: Products

  private static func product(_ a: Tensor, _ b: Tensor) -> Tensor {
    let (rows, inner, columns) = (a.shape[-2], a.shape[-1], b.shape[-1])
    let outer = Shape(Array(a.shape.dimensions.dropLast(2)))
      .broadcast(with: Shape(Array(b.shape.dimensions.dropLast(2))))!
    let left = a.broadcast(to: Shape(outer.dimensions + [rows, inner])).elements
    let right = b.broadcast(to: Shape(outer.dimensions + [inner, columns])).elements
    return Tensor.filled(Shape(outer.dimensions + [rows, columns])) { result in
      for matrix in 0..<outer.count {
        for row in 0..<rows {
          for column in 0..<columns {
            var sum = 0.0
            for place in 0..<inner {
              sum +=
                Double(left[(matrix * rows + row) * inner + place])
                * Double(right[(matrix * inner + place) * columns + column])
            }
            result[(matrix * rows + row) * columns + column] = Float(sum)
          }
        }
      }
    }
  }

  private static func convolved(
    _ x: [Tensor], stride: Int, padding: Int, groups: Int
  ) -> Tensor {
    let (image, kernel) = (x[0].shape, x[1].shape)
    let size = kernel[2], inner = kernel[1], outputs = kernel[0]
    let (source, weights) = (x[0].elements, x[1].elements)
    let bias = x.count > 2 ? x[2].elements : [Float](repeating: 0, count: outputs)
    let height = (image[2] + 2 * padding - size) / stride + 1
    let width = (image[3] + 2 * padding - size) / stride + 1
    return Tensor.filled([image[0], outputs, height, width]) { result in
      for place in 0..<image[0] * outputs * height * width {
        let column = place % width, row = place / width % height
        let output = place / width / height % outputs, example = place / width / height / outputs
        var sum = Double(bias[output])
        for channel in 0..<inner {
          let from = output / (outputs / groups) * inner + channel
          for dy in 0..<size {
            for dx in 0..<size {
              let y = row * stride + dy - padding, at = column * stride + dx - padding
              guard (0..<image[2]).contains(y), (0..<image[3]).contains(at) else { continue }
              let pixel = ((example * image[1] + from) * image[2] + y) * image[3] + at
              let weight = ((output * inner + channel) * size + dy) * size + dx
              sum += Double(source[pixel]) * Double(weights[weight])
            }
          }
        }
        result[place] = Float(sum)
      }
    }
  }

  private static func normalized(_ x: [Tensor], _ epsilon: Float) -> Tensor {
    let area = x[0].shape[2] * x[0].shape[3], channels = x[0].shape[1]
    let parts = x.dropFirst().map(\.elements)
    let source = x[0].elements
    return Tensor(
      x[0].shape,
      elements: source.indices.map { place in
        let c = place / area % channels
        let factor = parts[0][c] / (parts[3][c] + epsilon).squareRoot()
        return (source[place] - parts[2][c]) * factor + parts[1][c]
      })
  }

  // MARK: Axes

  private static func pooled(_ x: Tensor) -> Tensor {
    let (rows, columns) = (x.shape[2] / 2, x.shape[3] / 2)
    let split = x.sliced(axis: 2, 0..<2 * rows).sliced(axis: 3, 0..<2 * columns).contiguous()
      .reshaped([x.shape[0], x.shape[1], rows, 2, columns, 2]).permuted([0, 1, 2, 4, 3, 5])
      .contiguous().reshaped([x.shape[0], x.shape[1], rows, columns, 4])
    return reduce(split, [-1]) { $0.max()! }.reshaped([x.shape[0], x.shape[1], rows, columns])
  }

  /// Reduces the last axis, or all where none is named.
  private static func reduce(
    _ x: Tensor, _ axes: [Int], _ body: ([Float]) -> Float
  ) -> Tensor {
    let elements = x.elements
    guard !axes.isEmpty else {
      return Tensor(Shape(Array(repeating: 1, count: x.shape.rank)), elements: [body(elements)])
    }
    let columns = x.shape.columns
    return Tensor(
      Shape(x.shape.dimensions.dropLast() + [1]),
      elements: (0..<x.shape.rows).map { body(Array(elements[$0 * columns..<($0 + 1) * columns])) })
  }
}
