#pragma once
#include <stdint.h>

/// destination = eˣ / Σ eˣ along each row; may be in place.
void gyro_softmax_rows(const float *x, int64_t rows, int64_t columns, float *destination);

/// destination = y · (cotangent − Σ y·cotangent) along each row, y being the softmax; may be in
/// place.
void gyro_softmax_rows_gradient(const float *y, const float *cotangent, int64_t rows,
                                int64_t columns, float *destination);

/// destination[row] = ln Σ e^(x · factor).
void gyro_log_sum_exp_rows(const float *x, int64_t rows, int64_t columns, float factor,
                           float *destination);
