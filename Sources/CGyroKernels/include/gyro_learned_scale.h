#pragma once
#include <stdint.h>

#include "gyro_number_format.h"

/// A quantizer whose gradient is wanted: groups of `length` neighbors share `scales[group]`, and
/// `zero_points[group]` (NULL when symmetric; then the range is the format's own, else
/// `−zero_point … span − zero_point` in whole numbers).
typedef struct {
  gyro_number_format format;
  const float *scales, *zero_points;
  float span;
  /// How far beyond the ends, in the format's units, an element still counts as inside.
  float slack;
  /// Inside: x_gradient = c + |c| · error_weight · (u − p), element-wise gradient scaling
  /// (2104.00903 §3.2); 0 passes the cotangent as it is.
  float error_weight;
} gyro_learned_scale;

/// One pass over x and the cotangent c of `p · scale`, where `u = x / scale` and p is u projected.
///
/// `x_gradient` (or NULL) gets c inside `lowest − slack < u < largest + slack` and 0 outside.
/// `sums` (or NULL) gets three rows of `groups` numbers, from which the gradients of all learned
/// ranges follow: Σ c·(p − u) inside, Σ c·p outside, Σ c outside (1902.08153 §2.1).
/// `partial` has room for `gyro_learned_scale_partials` floats when sums are wanted. The same bits
/// whatever the number of threads: sixteen lanes, and pieces of fixed size added in order.
void gyro_learned_scale_gradient(const gyro_learned_scale *range, const float *x,
                                 const float *cotangent, int64_t groups, int64_t length,
                                 float *x_gradient, float *sums, float *partial);

/// How many floats `partial` takes.
int64_t gyro_learned_scale_partials(int64_t groups, int64_t length);

/// The plain form: one element after another, sums in double precision.
void gyro_reference_learned_scale_gradient(const gyro_learned_scale *range, const float *x,
                                           const float *cotangent, int64_t groups, int64_t length,
                                           float *x_gradient, float *sums);

/// Stochastic rounding: y = the neighbor of u = x / scale above or below, times the scale, with
/// probabilities that make y right on average where nothing is clipped; values of the grid stay.
/// The random number of an element follows from `key` and its place alone (Philox 4×32, 10 rounds).
void gyro_round_stochastically(const gyro_learned_scale *range, const float *x, int64_t groups,
                               int64_t length, uint64_t key, float *y);

/// `count` uniform numbers in [0, 1) as gyro_round_stochastically uses them, computed one by one.
void gyro_reference_rounding_noise(uint64_t key, int64_t count, float *noise);
