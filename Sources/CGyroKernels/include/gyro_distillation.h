#pragma once
#include <stdint.h>

// Losses of distillation beyond the forward divergence of gyro_cross_entropy.h.

/// destination = q · ((s − t) · factor − shift[row]) · scale with q = e^(s · factor −
/// student_log_sum_exp): the gradient of Σ q (ln q − ln p) when shift is ln Z_q − ln Z_p + the
/// row's divergence. May be in place over the student.
void gyro_reverse_divergence_gradient(const float *student, const float *teacher,
                                      const float *student_log_sum_exp, const float *shift,
                                      int64_t rows, int64_t columns, float factor, float scale,
                                      float *destination);

/// The `kept` largest elements of each row, by rising column (the lower column wins a tie), and
/// ln Σ e^(x · factor) of all others (−infinity when there are none). 0 < kept ≤ columns.
void gyro_top_logits(const float *x, int64_t rows, int64_t columns, int64_t kept, float factor,
                     int32_t *indices, float *values, float *rest_log_sum_exp);

/// Per row the divergence between two distributions over kept + 1 buckets: the columns in
/// `indices` (rising) and all others together. The teacher is given by the kept logits and the
/// others' log-sum-exp. Also writes what the gradient needs: the student's log-sum-exp, the
/// teacher's, and `rest_shift`, for which e^(x · factor − rest_shift) is the teacher's mass of the
/// others shared out as the student would (infinity when there are none).
void gyro_top_divergence(const float *student, const int32_t *indices, const float *values,
                         const float *rest_log_sum_exp, int64_t rows, int64_t columns,
                         int64_t kept, float factor, float *student_log_sum_exp,
                         float *teacher_log_sum_exp, float *rest_shift, double *divergences);

/// destination = (q − p) · scale on kept columns and (q − e^(x · factor − rest_shift)) · scale on
/// all others; may be in place over the student.
void gyro_top_divergence_gradient(const float *student, const int32_t *indices,
                                  const float *values, const float *student_log_sum_exp,
                                  const float *teacher_log_sum_exp, const float *rest_shift,
                                  int64_t rows, int64_t columns, int64_t kept, float factor,
                                  float scale, float *destination);
