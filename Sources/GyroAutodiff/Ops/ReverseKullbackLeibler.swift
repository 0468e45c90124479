import CGyroKernels
public import GyroTensors

/// `T² · mean over rows of Σ q (ln q − ln p)` with `q = softmax(student / T)` and
/// `p = softmax(teacher / T)`; `d student = T/rows · q · (ln q − ln p − the row's divergence)`.
///
/// Its value is that of the forward divergence with the roles exchanged, so it shares the kernel.
package struct ReverseKullbackLeiblerOp: Op {
  let teacher: Tensor
  let temperature: Float

  package init(teacher: Tensor, temperature: Float) {
    self.teacher = teacher.contiguous()
    self.temperature = temperature
  }

  package struct Residual {
    let student: TakenOnce
    let studentLogSumExp: Tensor
    /// Per row `ln Z_q − ln Z_p + divergence`.
    let shift: Tensor
  }

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Residual) {
    let student = inputs[0].contiguous()
    let found = RowDivergences(
      of: student, from: teacher, temperature: temperature, op: "reverseKullbackLeibler")
    let sums = zip(found.logSumExp.elements, found.otherLogSumExp.elements)
    let shift = zip(sums, found.rows).map { Float(Double($0.0) - Double($0.1) + $1) }
    return (
      Tensor(scalar: found.mean),
      Residual(
        student: TakenOnce(student), studentLogSumExp: found.logSumExp,
        shift: Tensor([shift.count], elements: shift))
    )
  }

  package func pullback(_ cotangent: Tensor, _ residual: Residual, needs: [Bool]) -> [Tensor?] {
    guard needs[0] else { return [nil] }
    let scale = cotangent.item * temperature / Float(max(teacher.shape.rows, 1))
    return [
      residual.student.take().replacingElements { student, shape, destination in
        teacher.withElements { teacher in
          residual.studentLogSumExp.withElements { ofStudent in
            residual.shift.withElements { shift in
              gyro_reverse_divergence_gradient(
                student, teacher, ofStudent, shift, Int64(shape.rows), Int64(shape.columns),
                1 / temperature, scale, destination)
            }
          }
        }
      }
    ]
  }
}

extension Variable {
  /// The Kullback–Leibler divergence of a teacher's distribution from this student's, the mean over
  /// rows, times the temperature squared. It seeks modes: the student is punished for mass where
  /// the teacher has none, not for what it leaves out (Gu et al., 2306.08543 §2).
  /// - Parameter teacher: logits of the student's shape `[…, classes]`; a constant.
  /// - Returns: a scalar in nats.
  public func reverseKullbackLeibler(toTeacher teacher: Tensor, temperature: Float = 1) -> Variable
  {
    .apply(ReverseKullbackLeiblerOp(teacher: teacher, temperature: temperature), to: self)
  }
}
