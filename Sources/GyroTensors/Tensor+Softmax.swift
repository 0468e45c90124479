import CGyroKernels

extension Tensor {
  /// `eˣ / Σ eˣ` along the last axis; the largest element of each row is subtracted first.
  public func softmax() -> Tensor {
    withElements { source in
      Tensor.filled(shape) {
        gyro_softmax_rows(source, Int64(shape.rows), Int64(shape.columns), $0)
      }
    }
  }

  /// `ln Σ e^(x · factor)` along the last axis, which goes.
  public func logSumExp(scaledBy factor: Float = 1) -> Tensor {
    precondition(shape.rank >= 1, "logSumExp: a scalar has no last axis")
    return withElements { source in
      Tensor.filled(Shape(Array(shape.dimensions.dropLast()))) {
        gyro_log_sum_exp_rows(source, Int64(shape.rows), Int64(shape.columns), factor, $0)
      }
    }
  }
}
