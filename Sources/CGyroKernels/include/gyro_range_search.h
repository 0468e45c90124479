#pragma once
#include <stdint.h>

#include "gyro_quantize.h"

// The error that a range makes, and searches for the range that makes the least.

/// How a difference d counts.
enum {
  /// d².
  GYRO_ERROR_SQUARE = 0,
  /// |d|^2.4, as GPTQ and SpinQuant have it.
  GYRO_ERROR_POWER_2_4 = 1,
};

/// In which order ranges are tried.
enum {
  /// The data's range times reach · (steps - i) / steps, i = 0 … tried - 1; then, if refinement is
  /// more than 1, steps that much smaller on either side of the best.
  GYRO_SEARCH_GRID = 0,
  /// Golden section on that factor.
  GYRO_SEARCH_GOLDEN = 1,
};

/// How the two ends of an asymmetric range move.
enum {
  /// By one factor.
  GYRO_ENDS_TOGETHER = 0,
  /// Together at first, then the upper and the lower in turn, twice.
  GYRO_ENDS_IN_TURN = 1,
  /// Every pair of factors.
  GYRO_ENDS_IN_PLANE = 2,
};

typedef struct {
  gyro_group_quantizer quantizer;
  /// The scale of the whole tensor, 1 but for GYRO_SCALE_E4M3.
  float tensor_scale;
  int32_t error, order, ends;
  int32_t steps, tried, refinement;
  float reach;
} gyro_range_search;

/// Σ wᵢ |project(xᵢ / s) s − xᵢ|^p under the scale s of the range low … high (widened to contain
/// zero); `weights` may be NULL, for ones. Sums run in 16 lanes over blocks of 4096 elements, whose
/// sums are added in double, in order: the same bits for any number of threads.
double gyro_range_error(const gyro_range_search *search, const float *x, const double *weights,
                        int64_t count, float low, float high);

/// For each of `groups` runs of `length` elements the range with the least error; the first of
/// equals. The range of the data is tried first, so no result is worse. `weights` may be NULL.
void gyro_search_ranges(const gyro_range_search *search, const float *x, const double *weights,
                        int64_t groups, int64_t length, float *lows, float *highs);

/// The error of each of `candidates` ranges.
void gyro_range_errors(const gyro_range_search *search, const float *x, const double *weights,
                       int64_t count, const float *lows, const float *highs, int64_t candidates,
                       double *errors);
