import CGyroKernels
package import GyroTensors

/// `T² · mean over rows of Σ_kept p_i (ln p_i − ln q_i) + p_rest (ln p_rest − ln q_rest)`, the
/// teacher's buckets as in ``TeacherCache`` and the student's likewise: `q = softmax(student / T)`,
/// `q_rest` its mass outside the kept classes. By the log-sum inequality it is never more than the
/// full divergence, and equals it when all classes are kept.
///
/// `d student = T/rows · (q − p)` on kept classes and `T/rows · q · (1 − p_rest / q_rest)` on the
/// others, whose shares among themselves the loss leaves alone.
package struct CachedDivergenceOp: Op {
  let teacher: TeacherCache

  package init(teacher: TeacherCache) { self.teacher = teacher }

  package struct Residual {
    let student: TakenOnce
    let studentLogSumExp: Tensor, teacherLogSumExp: Tensor, restShift: Tensor
  }

  package func forward(_ inputs: [Tensor]) -> (output: Tensor, residual: Residual) {
    let student = inputs[0].contiguous()
    let shape = student.shape
    let rows = shape.rows
    precondition(
      shape.columns == teacher.classes && rows == teacher.rows,
      "kullbackLeibler: student logits \(shape) do not fit a teacher of \(teacher.rows) rows "
        + "and \(teacher.classes) classes")
    var divergences = [Double](repeating: 0, count: rows)
    var ofStudent = Tensor(uninitialized: [rows])
    var ofTeacher = Tensor(uninitialized: [rows])
    var shift = Tensor(uninitialized: [rows])
    student.withElements { student in
      teacher.logits.withElements { values in
        teacher.rest.withElements { rest in
          ofStudent.withMutableElements { ofStudent in
            ofTeacher.withMutableElements { ofTeacher in
              shift.withMutableElements {
                gyro_top_divergence(
                  student, teacher.indices, values, rest, Int64(rows), Int64(shape.columns),
                  Int64(teacher.kept), 1 / teacher.temperature, ofStudent, ofTeacher, $0,
                  &divergences)
              }
            }
          }
        }
      }
    }
    let square = Double(teacher.temperature) * Double(teacher.temperature)
    let mean = square * divergences.reduce(0, +) / Double(max(rows, 1))
    return (
      Tensor(scalar: Float(mean)),
      Residual(
        student: TakenOnce(student), studentLogSumExp: ofStudent, teacherLogSumExp: ofTeacher,
        restShift: shift)
    )
  }

  package func pullback(_ cotangent: Tensor, _ residual: Residual, needs: [Bool]) -> [Tensor?] {
    guard needs[0] else { return [nil] }
    let scale = cotangent.item * teacher.temperature / Float(max(teacher.rows, 1))
    return [
      residual.student.take().replacingElements { student, shape, destination in
        teacher.logits.withElements { values in
          residual.studentLogSumExp.withElements { ofStudent in
            residual.teacherLogSumExp.withElements { ofTeacher in
              residual.restShift.withElements { shift in
                gyro_top_divergence_gradient(
                  student, teacher.indices, values, ofStudent, ofTeacher, shift,
                  Int64(shape.rows), Int64(shape.columns), Int64(teacher.kept),
                  1 / teacher.temperature, scale, destination)
              }
            }
          }
        }
      }
    ]
  }
}

extension Variable {
  /// The Kullback–Leibler divergence of this student's distribution from a teacher's, of which only
  /// the likeliest classes are known; the mean over rows, times the cache's temperature squared.
  /// - Parameter teacher: as many rows as this `[…, classes]` has.
  /// - Returns: a scalar in nats, the full divergence when the cache keeps all classes.
  public func kullbackLeibler(toTeacher teacher: TeacherCache) -> Variable {
    .apply(CachedDivergenceOp(teacher: teacher), to: self)
  }
}
