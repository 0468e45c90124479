#include "range_error.h"

#include <string.h>

#include "gyro_clones.h"
#include "gyro_math.h"
#include "gyro_parallel.h"
#include "gyro_project.h"

#pragma STDC FP_CONTRACT OFF

/// Long enough for loops, short enough to see early that a range is no good.
enum { strip = 128 };

/// An elementwise loop that is not unrolled: most groups are 16 to 128 elements long, and what does
/// not fill an unrolled round would go element by element.
#define SHORT_LOOP GYRO_ELEMENTWISE _Pragma("clang loop interleave_count(1)")

range_grid range_grid_of(const gyro_range_search *search, float low, float high) {
  const gyro_group_quantizer *quantizer = &search->quantizer;
  range_grid grid = {.format = quantizer->format};
  low = low > 0.0f ? 0.0f : low;
  high = high < 0.0f ? 0.0f : high;
  float reach = -low > high ? -low : high;
  if (quantizer->is_asymmetric) reach = gyro_group_width(low, high);
  grid.scale = gyro_group_scale(quantizer->scale_format, reach, quantizer->span,
                                search->tensor_scale);
  if (quantizer->is_asymmetric) {
    float zero = gyro_group_zero_point(low, grid.scale, quantizer->span);
    grid.format.lowest = -zero;  // clamp(round(v) + z, 0, span) − z
    grid.format.largest = quantizer->span - zero;
  }
  return grid;
}

/// quotients = x / scale, then projected in place: one plain loop per kind of format.
GYRO_CLONES
static void project_strip(const gyro_number_format *format, float scale, const float *x,
                          int64_t count, float *projected) {
  if (format->kind == GYRO_FORMAT_INTEGERS) {
    float lowest = format->lowest, largest = format->largest;
    SHORT_LOOP
    for (int64_t i = 0; i < count; i++)
      projected[i] = gyro_project_integer(x[i] / scale, lowest, largest);
  } else if (format->kind == GYRO_FORMAT_FLOATS) {
    float largest = format->largest;
    uint32_t smallest = (uint32_t)(format->smallest_exponent + 127) << 23;
    uint32_t shift = (uint32_t)(23 - format->mantissa_bits) << 23;
    SHORT_LOOP
    for (int64_t i = 0; i < count; i++)
      projected[i] = gyro_project_float(x[i] / scale, largest, smallest, shift);
  } else {
    int32_t levels[strip];
    for (int64_t i = 0; i < count; i++) levels[i] = 0;
    SHORT_LOOP
    for (int64_t i = 0; i < count; i++) projected[i] = x[i] / scale;
    for (int32_t level = 0; level + 1 < format->level_count; level++) {
      float threshold = format->thresholds[level];
      SHORT_LOOP
      for (int64_t i = 0; i < count; i++) levels[i] += projected[i] >= threshold;
    }
    for (int64_t i = 0; i < count; i++) projected[i] = format->levels[levels[i]];
  }
}

GYRO_CLONES
static void square_strip(const float *x, const float *projected, float scale, int64_t count,
                         float *costs) {
  SHORT_LOOP
  for (int64_t i = 0; i < count; i++) {
    float d = projected[i] * scale - x[i];
    costs[i] = d * d;
  }
}

/// |d|^2.4 = e^(2.4 ln |d|); zero goes through ln 0 = −∞. The logarithm's rounding makes this
/// accurate to about 1e-6 of itself.
GYRO_CLONES
static void power_strip(const float *x, const float *projected, float scale, int64_t count,
                        float *costs) {
  SHORT_LOOP
  for (int64_t i = 0; i < count; i++)
    costs[i] = gyro_exp(2.4f * gyro_log(gyro_absolute(projected[i] * scale - x[i])));
}

GYRO_CLONES
static void add_strip(const float *costs, int64_t count, float *sums) {
  int64_t i = 0;
  for (; i + gyro_lane_count <= count; i += gyro_lane_count)
    for (int lane = 0; lane < gyro_lane_count; lane++) sums[lane] += costs[i + lane];
  for (int lane = 0; i < count; i++, lane++) sums[lane] += costs[i];
}

/// Counts of a histogram need more than 24 bits, and the search more than 24 bits of their sum.
GYRO_CLONES
static void add_weighted_strip(const float *x, const float *projected, float scale, int32_t error,
                               const float *costs, const double *weights, int64_t count,
                               double *sums) {
  double terms[strip];
  if (error == GYRO_ERROR_SQUARE) {
    SHORT_LOOP
    for (int64_t i = 0; i < count; i++) {
      double d = (double)projected[i] * (double)scale - (double)x[i];
      terms[i] = d * d * weights[i];
    }
  } else {
    SHORT_LOOP
    for (int64_t i = 0; i < count; i++) terms[i] = (double)costs[i] * weights[i];
  }
  int64_t i = 0;
  for (; i + gyro_lane_count <= count; i += gyro_lane_count)
    for (int lane = 0; lane < gyro_lane_count; lane++) sums[lane] += terms[i + lane];
  for (int lane = 0; i < count; i++, lane++) sums[lane] += terms[i];
}

static double tree_sum(const double *sums) {
  double lanes[gyro_lane_count];
  memcpy(lanes, sums, sizeof lanes);
  for (int width = gyro_lane_count / 2; width > 0; width /= 2)
    for (int lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];
  return lanes[0];
}

double range_block_error(const range_grid *grid, int32_t error, const float *x,
                         const double *weights, int64_t count, double before, double bound) {
  float projected[strip], costs[strip], sums[gyro_lane_count] = {0};
  double precise[gyro_lane_count] = {0}, total = 0;
  for (int64_t first = 0; first < count && before + total < bound; first += strip) {
    int64_t part = count - first < strip ? count - first : strip;
    const float *source = x + first;
    project_strip(&grid->format, grid->scale, source, part, projected);
    if (error == GYRO_ERROR_POWER_2_4)
      power_strip(source, projected, grid->scale, part, costs);
    else if (!weights)
      square_strip(source, projected, grid->scale, part, costs);
    if (weights) {
      add_weighted_strip(source, projected, grid->scale, error, costs, weights + first, part,
                         precise);
    } else {
      add_strip(costs, part, sums);
      for (int lane = 0; lane < gyro_lane_count; lane++) precise[lane] = (double)sums[lane];
    }
    total = tree_sum(precise);
  }
  return total;
}
