#pragma once
#include "flat_planes.h"
#include "gyro_convolution.h"

// Shared by the files of the convolution family.

/// One correlation with its own weights: a forward pass, or one phase of an input gradient.
struct correlation {
  struct flat_planes planes;
  int64_t channels, filters, groups;  // channels and filters of one group
  const float *source;
  int64_t source_image, source_group;  // strides
  const float *weight;
  /// Strides of the weight; tap (y, x) is at
  /// `(first_y + y · step_y) · kernel_width + first_x + x · step_x`.
  int64_t weight_group, weight_filter, weight_channel, weight_row;
  int64_t first_y, step_y, first_x, step_x;
  const float *bias;
  struct flat_results results;
  int64_t results_group, results_offset;
};

/// The forward pass.
struct correlation gyro_forward_correlation(const struct gyro_convolution *shape);

/// One phase of the input gradient, `phase` below stride_y · stride_x. An empty kernel or result
/// shows as zero extents.
struct correlation gyro_input_gradient_correlation(const struct gyro_convolution *shape,
                                                   int64_t phase);

/// One channel in and one out per group: products of many rows would not pay.
static inline int gyro_is_depthwise(const struct gyro_convolution *s) {
  return s->groups > 1 && s->groups == s->channels && s->groups == s->filters;
}

/// Bytes of scratch for `gyro_run_correlation`.
int64_t gyro_correlation_scratch(struct correlation *correlation);
/// Computes all results. `planes` is planned by both functions.
void gyro_run_correlation(struct correlation *correlation, void *scratch);

/// The same where every group has one channel and one filter.
int64_t gyro_depthwise_scratch(struct correlation *correlation);
void gyro_run_depthwise(struct correlation *correlation, void *scratch);

int64_t gyro_weight_gradient_scratch(const struct gyro_convolution *shape);
int64_t gyro_depthwise_weight_scratch(const struct gyro_convolution *shape);
void gyro_depthwise_weight_gradient(const struct gyro_convolution *shape, const float *input,
                                    const float *gradient, float *weight_gradient, void *scratch);

static inline int64_t gyro_round_up(int64_t a, int64_t unit) {
  return (a + unit - 1) / unit * unit;
}

/// Hands out pieces of the scratch memory, 64-byte aligned.
static inline void *gyro_carve(char **scratch, int64_t bytes) {
  void *piece = *scratch;
  *scratch += gyro_round_up(bytes, 64);
  return piece;
}
