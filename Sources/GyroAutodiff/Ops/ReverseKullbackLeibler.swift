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
    let shape = student.shape
    let rows = shape.rows
    precondition(
      shape == teacher.shape,
      "reverseKullbackLeibler: student logits \(shape) and teacher logits \(teacher.shape) differ")
    precondition(
      temperature > 0,
      "reverseKullbackLeibler: the temperature must be positive, not \(temperature)")
    var divergences = [Double](repeating: 0, count: rows)
    var ofStudent = Tensor(uninitialized: [rows])
    var ofTeacher = Tensor(uninitialized: [rows])
    student.withElements { student in
      teacher.withElements { teacher in
        ofStudent.withMutableElements { ofStudent in
          ofTeacher.withMutableElements { ofTeacher in
            gyro_kullback_leibler(
              teacher, student, Int64(rows), Int64(shape.columns), 1 / temperature, ofTeacher,
              ofStudent, &divergences)
          }
        }
      }
    }
    let shift = zip(zip(ofStudent.elements, ofTeacher.elements), divergences).map {
      Float(Double($0.0) - Double($0.1) + $1)
    }
    let square = Double(temperature) * Double(temperature)
    let mean = square * divergences.reduce(0, +) / Double(max(rows, 1))
    return (
      Tensor(scalar: Float(mean)),
      Residual(
        student: TakenOnce(student), studentLogSumExp: ofStudent,
        shift: Tensor([rows], elements: shift))
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
