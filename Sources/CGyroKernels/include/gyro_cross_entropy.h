#pragma once
#include <stdint.h>

// Losses on rows of logits. Each row is read from memory once: later passes find it in the cache.

/// Per row: log_sum_exp = ln Σ eˣ and
/// loss = log_sum_exp − (1 − smoothing) · x[target] − smoothing · mean(x).
/// A row whose target is `ignored` has loss 0. Targets must lie in 0 ..< columns otherwise.
void gyro_cross_entropy(const float *logits, const int32_t *targets, int64_t rows,
                        int64_t columns, int32_t ignored, float smoothing, float *log_sum_exp,
                        double *losses);

/// destination = (softmax − (1 − smoothing) · onehot − smoothing / columns) · scale per row, zero
/// on ignored rows; in one pass, and it may be in place.
void gyro_cross_entropy_gradient(const float *logits, const int32_t *targets,
                                 const float *log_sum_exp, int64_t rows, int64_t columns,
                                 int32_t ignored, float smoothing, float scale,
                                 float *destination);

/// Per row the divergence Σ p (ln p − ln q), p = softmax(teacher · factor),
/// q = softmax(student · factor), and both rows' log-sum-exp.
void gyro_kullback_leibler(const float *student, const float *teacher, int64_t rows,
                           int64_t columns, float factor, float *student_log_sum_exp,
                           float *teacher_log_sum_exp, double *divergences);

/// destination = (q − p) · scale; may be in place.
void gyro_kullback_leibler_gradient(const float *student, const float *teacher,
                                    const float *student_log_sum_exp,
                                    const float *teacher_log_sum_exp, int64_t rows,
                                    int64_t columns, float factor, float scale,
                                    float *destination);
