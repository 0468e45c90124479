#pragma once
#include "gyro_clones.h"
#include "gyro_lanes.h"
#include "gyro_project.h"
#include "gyro_quantize.h"

// The three steps of simulated quantization, each over a run of whole groups small enough to stay
// in cache between them. One thread; quantize_groups.c shares the groups out.

/// Sixteen elements at a time: wide registers even for groups of sixteen, and no remainder loop.
#define GYRO_SIXTEEN                                                                           \
  _Pragma("clang loop vectorize(assume_safety) vectorize_width(16) interleave_count(1)")       \
      _Pragma("clang loop unroll(disable)")

/// Whether the scale of the whole tensor follows from the ranges of all groups.
GYRO_INLINE int gyro_finds_tensor_scale(const gyro_group_quantizer *quantizer) {
  return quantizer->scale_format == GYRO_SCALE_E4M3 && !(quantizer->tensor_scale > 0);
}

/// The scale of the whole tensor as far as it is known before its ranges: the given one, or 1.
GYRO_INLINE float gyro_given_tensor_scale(const gyro_group_quantizer *quantizer) {
  int is_given = quantizer->scale_format == GYRO_SCALE_E4M3 && quantizer->tensor_scale > 0;
  return is_given ? quantizer->tensor_scale : 1;
}

/// ranges[g] = the largest magnitude of group g; infinite or NaN if the group holds such a value.
void gyro_run_magnitudes(const float *source, int64_t groups, int64_t length, float *ranges);

/// lows[g] <= 0 <= highs[g]; highs[g] is infinite or NaN if the group holds such a value.
void gyro_run_extremes(const float *source, int64_t groups, int64_t length, float *lows,
                       float *highs);

/// Turns ranges into scales, and lows into zero points (`zero_points` may be NULL) in place.
void gyro_run_scales(const gyro_group_quantizer *quantizer, float tensor_scale, int64_t groups,
                     float *scales, float *zero_points);

/// The first of `count` numbers that is infinite or NaN, or -1.
int64_t gyro_first_not_finite(const float *numbers, int64_t count);

/// The widest of `count` finite ranges; `lows` is NULL if they are magnitudes.
float gyro_run_widest(const float *lows, const float *highs, int64_t count);

/// Projects groups under their scales.
void gyro_run_projection(const gyro_group_quantizer *quantizer, const float *source,
                         int64_t groups, int64_t length, const float *scales,
                         const float *zero_points, float tensor_scale, int32_t output_kind,
                         void *output);
