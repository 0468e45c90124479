#pragma once
#include <stdint.h>

// Directions on the orthogonal group: skew-symmetric matrices n × n. Every kernel here does the same
// to element (i, j) and to element (j, i) with the sign turned, so what is skew stays skew to the
// last bit.

/// target = keep · target + factor · (a − aᵀ). With keep 0 the target is not read. The target must
/// not overlap a. Exactly skew-symmetric when the target was.
void gyro_skew_part(const float *a, int64_t n, float factor, float keep, float *target);

/// Adam's direction from a skew-symmetric gradient g, in place:
///   m += (g − m)(1 − beta1);  v = beta2 · v + (1 − beta2) · g²
///   g = (m / bias1) / (√(v / bias2) + epsilon)
/// v is symmetric, so m and the result stay skew-symmetric.
void gyro_skew_adam(float *direction, float *first, float *second, int64_t count, double beta1,
                    double beta2, double epsilon, double bias1, double bias2);

/// result = x · a + y · b; the result may be a or b.
void gyro_scaled_sum(float x, const float *a, float y, const float *b, int64_t count,
                     float *result);

/// The largest over the rows of a matrix of: the sum of magnitudes, the sum of squares, a magnitude.
/// NaN anywhere makes them NaN.
struct gyro_row_extremes {
  float magnitude_sum, square_sum, magnitude;
};
void gyro_row_extremes_of(const float *a, int64_t rows, int64_t columns,
                          struct gyro_row_extremes *result);

// Plain references: single loops.

void gyro_reference_skew_part(const float *a, int64_t n, float factor, float keep, float *target);
void gyro_reference_row_extremes_of(const float *a, int64_t rows, int64_t columns,
                                    struct gyro_row_extremes *result);
