import CGyroKernels
public import GyroTensors

/// `T² · mean over rows` of the divergence between `p = softmax(teacher / T)` and
/// `q = softmax(student / T)`, in either direction. The factor T² keeps the size of the gradient
/// independent of the temperature (Hinton et al., 1503.02531 §2).
///
/// - forward: `Σ p (ln p − ln q)`, `d student = T/rows · (q − p)`;
/// - reverse: `Σ q (ln q − ln p)`, `d student = T/rows · q · (ln q − ln p − the row's divergence)`.
///
/// As in the cross-entropy, one number per row and side is kept, and the backward pass writes over
/// the student's logits when nobody else holds them.
package struct KullbackLeiblerOp: Op {
  package enum Direction: String, Sendable {
    /// From the teacher to the student.
    case forward
    /// From the student to the teacher.
    case reverse
  }

  let direction: Direction
  let teacher: Tensor
  let temperature: Float

  package init(_ direction: Direction = .forward, teacher: Tensor, temperature: Float) {
    self.direction = direction
    self.teacher = teacher.contiguous()
    self.temperature = temperature
  }

  package struct Residual {
    let student: TakenOnce
    let studentLogSumExp: Tensor
    /// Per row `ln Z_p` going forward, `ln Z_q − ln Z_p + divergence` in reverse.
    let shift: Tensor
  }

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Residual) {
    let student = inputs[0].contiguous()
    switch direction {
    case .forward:
      let found = RowDivergences(
        of: teacher, from: student, temperature: temperature, op: "kullbackLeibler")
      return (
        Tensor(scalar: found.mean),
        Residual(
          student: TakenOnce(student), studentLogSumExp: found.otherLogSumExp,
          shift: found.logSumExp)
      )
    case .reverse:
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
  }

  package func pullback(_ cotangent: Tensor, _ residual: Residual, needs: [Bool]) -> [Tensor?] {
    guard needs[0] else { return [nil] }
    let scale = cotangent.item * temperature / Float(max(teacher.shape.rows, 1))
    let gradient =
      direction == .forward ? gyro_kullback_leibler_gradient : gyro_reverse_divergence_gradient
    return [
      residual.student.take().replacingElements { student, shape, destination in
        teacher.withElements { teacher in
          residual.studentLogSumExp.withElements { ofStudent in
            residual.shift.withElements { shift in
              gradient(
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
  /// The Kullback–Leibler divergence of this student's distribution from a teacher's, the mean over
  /// rows, times the temperature squared.
  /// - Parameter teacher: logits of the student's shape `[…, classes]`; a constant.
  /// - Returns: a scalar in nats.
  public func kullbackLeibler(toTeacher teacher: Tensor, temperature: Float = 1) -> Variable {
    .apply(KullbackLeiblerOp(teacher: teacher, temperature: temperature), to: self)
  }

  /// The Kullback–Leibler divergence of a teacher's distribution from this student's, the mean over
  /// rows, times the temperature squared. It seeks modes: the student is punished for mass where
  /// the teacher has none, not for what it leaves out (Gu et al., 2306.08543 §2).
  /// - Parameter teacher: logits of the student's shape `[…, classes]`; a constant.
  /// - Returns: a scalar in nats.
  public func reverseKullbackLeibler(toTeacher teacher: Tensor, temperature: Float = 1) -> Variable
  {
    .apply(KullbackLeiblerOp(.reverse, teacher: teacher, temperature: temperature), to: self)
  }
}
