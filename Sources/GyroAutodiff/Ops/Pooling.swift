import CGyroKernels
import GyroTensors

/// The windows of a pooling operation over [N, C, H, W].
struct PoolingWindows: Sendable {
  let size: (Int, Int), stride: (Int, Int), padding: (Int, Int)
  let name: String

  func geometry(_ input: Shape) -> gyro_pooling {
    precondition(input.rank == 4, "\(name): expected [N, C, H, W], not \(input)")
    precondition(
      size.0 > 0 && size.1 > 0 && stride.0 > 0 && stride.1 > 0 && padding.0 >= 0
        && padding.1 >= 0 && 2 * padding.0 <= size.0 && 2 * padding.1 <= size.1,
      "\(name): size \(size) and stride \(stride) must be positive and padding \(padding) "
        + "at most half the size")
    precondition(
      input[2] > 0 && input[3] > 0 && input[2] + 2 * padding.0 >= size.0
        && input[3] + 2 * padding.1 >= size.1,
      "\(name): windows of \(size) do not fit input \(input) with padding \(padding)")
    return gyro_pooling(
      planes: Int64(input[0] * input[1]), height: Int64(input[2]), width: Int64(input[3]),
      size_y: Int64(size.0), size_x: Int64(size.1), stride_y: Int64(stride.0),
      stride_x: Int64(stride.1), padding_y: Int64(padding.0), padding_x: Int64(padding.1),
      result_height: Int64((input[2] + 2 * padding.0 - size.0) / stride.0 + 1),
      result_width: Int64((input[3] + 2 * padding.1 - size.1) / stride.1 + 1))
  }

  func result(_ input: Shape, _ geometry: gyro_pooling) -> Shape {
    Shape([input[0], input[1], Int(geometry.result_height), Int(geometry.result_width)])
  }
}

/// The largest element of each window; the residual is one byte per window.
struct MaxPoolingOp: Op {
  let windows: PoolingWindows

  struct Residual {
    let input: Shape
    let places: PooledBuffer
  }

  func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Residual) {
    var shape = windows.geometry(inputs[0].shape)
    precondition(
      windows.size.0 * windows.size.1 <= 256,
      "maxPooled: a window of \(windows.size) has more than 256 elements")
    let result = windows.result(inputs[0].shape, shape)
    let places = PooledBuffer(byteCount: result.count)
    let output = Tensor.filled(result) { output in
      inputs[0].withElements {
        gyro_max_pool(&shape, $0, output, places.pointer.assumingMemoryBound(to: UInt8.self))
      }
    }
    return (output, Residual(input: inputs[0].shape, places: places))
  }

  func pullback(_ cotangent: Tensor, _ residual: Residual, needs: [Bool]) -> [Tensor?] {
    guard needs[0] else { return [nil] }
    var shape = windows.geometry(residual.input)
    return [
      Tensor.filled(residual.input) { result in
        cotangent.withElements {
          gyro_max_pool_gradient(
            &shape, $0, residual.places.pointer.assumingMemoryBound(to: UInt8.self), result)
        }
      }
    ]
  }
}

/// The mean of each window.
struct AveragePoolingOp: Op {
  let windows: PoolingWindows

  func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Shape) {
    var shape = windows.geometry(inputs[0].shape)
    let output = Tensor.filled(windows.result(inputs[0].shape, shape)) { output in
      inputs[0].withElements { gyro_average_pool(&shape, $0, output) }
    }
    return (output, inputs[0].shape)
  }

  func pullback(_ cotangent: Tensor, _ residual: Shape, needs: [Bool]) -> [Tensor?] {
    guard needs[0] else { return [nil] }
    var shape = windows.geometry(residual)
    return [
      Tensor.filled(residual) { result in
        cotangent.withElements { gyro_average_pool_gradient(&shape, $0, result) }
      }
    ]
  }
}

/// The mean of each channel of each image: [N, C, H, W] → [N, C].
struct GlobalAveragePoolingOp: Op {
  func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Shape) {
    let shape = inputs[0].shape
    precondition(
      shape.rank == 4 && shape[2] * shape[3] > 0,
      "globallyAveragePooled: expected [N, C, H, W], not \(shape)")
    let output = Tensor.filled([shape[0], shape[1]]) { output in
      inputs[0].withElements {
        gyro_row_means($0, Int64(shape[0] * shape[1]), Int64(shape[2] * shape[3]), output)
      }
    }
    return (output, shape)
  }

  func pullback(_ cotangent: Tensor, _ residual: Shape, needs: [Bool]) -> [Tensor?] {
    guard needs[0] else { return [nil] }
    let columns = residual[2] * residual[3]
    return [
      Tensor.filled(residual) { result in
        cotangent.withElements {
          gyro_spread_rows(
            $0, 1 / Float(columns), Int64(residual[0] * residual[1]), Int64(columns), result)
        }
      }
    ]
  }
}

extension Variable {
  /// The largest element of each window of images `[N, C, H, W]`; padding never wins. The
  /// gradient goes to the first of equal elements.
  ///
  /// - Parameters:
  ///   - size: Height and width of a window, at most 256 elements.
  ///   - stride: Steps between windows; the size when nil.
  ///   - padding: At most half the size.
  /// - Returns: `[N, C, (H + 2 · padding − size) / stride + 1, …]`.
  public func maxPooled(
    size: (Int, Int), stride: (Int, Int)? = nil, padding: (Int, Int) = (0, 0)
  ) -> Variable {
    let windows = PoolingWindows(
      size: size, stride: stride ?? size, padding: padding, name: "maxPooled")
    return .apply(MaxPoolingOp(windows: windows), to: self)
  }

  /// The mean of each window of images `[N, C, H, W]`. Padding counts as zeros (PyTorch's
  /// `count_include_pad`).
  ///
  /// - Parameters:
  ///   - size: Height and width of a window.
  ///   - stride: Steps between windows; the size when nil.
  ///   - padding: At most half the size.
  /// - Returns: `[N, C, (H + 2 · padding − size) / stride + 1, …]`.
  public func averagePooled(
    size: (Int, Int), stride: (Int, Int)? = nil, padding: (Int, Int) = (0, 0)
  ) -> Variable {
    let windows = PoolingWindows(
      size: size, stride: stride ?? size, padding: padding, name: "averagePooled")
    return .apply(AveragePoolingOp(windows: windows), to: self)
  }

  /// The mean of each channel of each image: `[N, C, H, W]` → `[N, C]`.
  public func globallyAveragePooled() -> Variable { .apply(GlobalAveragePoolingOp(), to: self) }
}
