#pragma once
#include <stdint.h>

// Sums run in 16 float lanes over blocks of 4096 elements; block sums are added in double, in
// order. The result depends neither on the number of threads nor on the instruction set.

/// Σ x.
double gyro_sum(const float *x, int64_t count);
/// Σ x².
double gyro_sum_of_squares(const float *x, int64_t count);
/// Σ a·b.
double gyro_dot(const float *a, const float *b, int64_t count);
/// Σ (a − b)².
double gyro_sum_of_squared_differences(const float *a, const float *b, int64_t count);

/// destination[outer, inner] = factor · Σ over the middle axis of x[outer, middle, inner].
void gyro_sum_middle(const float *x, int64_t outer, int64_t middle, int64_t inner, float factor,
                     float *destination);

/// The largest, or smallest, element (NaN if there is one); count ≥ 1.
float gyro_maximum(const float *x, int64_t count);
float gyro_minimum(const float *x, int64_t count);
/// The largest magnitude, 0 for no elements (NaN if there is one).
float gyro_maximum_magnitude(const float *x, int64_t count);

/// destination[row] = the first place of the row's largest element.
void gyro_argmax_rows(const float *x, int64_t rows, int64_t columns, int64_t *destination);
