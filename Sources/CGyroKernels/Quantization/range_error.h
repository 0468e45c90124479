#pragma once
#include "gyro_range_search.h"

/// A grid to project on: a format whose bounds may have been moved by a zero point, and a scale.
typedef struct {
  gyro_number_format format;
  float scale;
} range_grid;

enum { range_block = 4096 };

/// The grid of a range.
range_grid range_grid_of(const gyro_range_search *search, float low, float high);

/// The error on at most `range_block` elements. Where `before`, the error so far, and part of this
/// block's add up to `bound` or more, that part will do: errors only grow, so the sum of all would as
/// well, whatever the rounding.
double range_block_error(const range_grid *grid, int32_t error, const float *x,
                         const double *weights, int64_t count, double before, double bound);
