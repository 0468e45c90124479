import CGyroKernels
public import GyroTensors

/// `T² · mean over rows of Σ p (ln p − ln q)` with `p = softmax(teacher / T)`,
/// `q = softmax(student / T)`. The factor T² keeps the size of the gradient independent of the
/// temperature (Hinton et al., 1503.02531 §2); `d student = T/rows · (q − p)`.
///
/// As in the cross-entropy, one number per row and side is kept, and the backward pass writes over
/// the student's logits when nobody else holds them.
package struct KullbackLeiblerOp: Op {
  let teacher: Tensor
  let temperature: Float

  package init(teacher: Tensor, temperature: Float) {
    self.teacher = teacher.contiguous()
    self.temperature = temperature
  }

  package struct Residual {
    let student: TakenOnce
    let studentLogSumExp: Tensor, teacherLogSumExp: Tensor
  }

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Residual) {
    let student = inputs[0].contiguous()
    let found = RowDivergences(
      of: teacher, from: student, temperature: temperature, op: "kullbackLeibler")
    return (
      Tensor(scalar: found.mean),
      Residual(
        student: TakenOnce(student), studentLogSumExp: found.otherLogSumExp,
        teacherLogSumExp: found.logSumExp)
    )
  }

  package func pullback(_ cotangent: Tensor, _ residual: Residual, needs: [Bool]) -> [Tensor?] {
    guard needs[0] else { return [nil] }
    let scale = cotangent.item * temperature / Float(max(teacher.shape.rows, 1))
    return [
      residual.student.take().replacingElements { student, shape, destination in
        teacher.withElements { teacher in
          residual.studentLogSumExp.withElements { ofStudent in
            residual.teacherLogSumExp.withElements { ofTeacher in
              gyro_kullback_leibler_gradient(
                student, teacher, ofStudent, ofTeacher, Int64(shape.rows), Int64(shape.columns),
                1 / temperature, scale, destination)
            }
          }
        }
      }
    ]
  }
}

extension Variable {
  /// The Kullback–Leibler divergence of this student's distribution from a teacher's, the mean over
  /// rows, times the temperature squared.
  /// - Parameter teacher: logits of the student's shape `[…, classes]`; a constant.
  /// - Returns: a scalar in nats.
  public func kullbackLeibler(toTeacher teacher: Tensor, temperature: Float = 1) -> Variable {
    .apply(KullbackLeiblerOp(teacher: teacher, temperature: temperature), to: self)
  }
}
