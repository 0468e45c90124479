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
    let shape = student.shape
    let rows = shape.rows
    precondition(
      shape == teacher.shape,
      "kullbackLeibler: student logits \(shape) and teacher logits \(teacher.shape) differ")
    precondition(
      temperature > 0, "kullbackLeibler: the temperature must be positive, not \(temperature)")
    var divergences = [Double](repeating: 0, count: rows)
    var ofStudent = Tensor(uninitialized: [rows])
    var ofTeacher = Tensor(uninitialized: [rows])
    student.withElements { student in
      teacher.withElements { teacher in
        ofStudent.withMutableElements { ofStudent in
          ofTeacher.withMutableElements { ofTeacher in
            gyro_kullback_leibler(
              student, teacher, Int64(rows), Int64(shape.columns), 1 / temperature, ofStudent,
              ofTeacher, &divergences)
          }
        }
      }
    }
    let square = Double(temperature) * Double(temperature)
    let mean = square * divergences.reduce(0, +) / Double(max(rows, 1))
    return (
      Tensor(scalar: Float(mean)),
      Residual(
        student: TakenOnce(student), studentLogSumExp: ofStudent, teacherLogSumExp: ofTeacher)
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
