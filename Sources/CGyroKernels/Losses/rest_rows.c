#include "rest_rows.h"

#include <math.h>

#include "gyro_clones.h"
#include "gyro_math.h"

#pragma STDC FP_CONTRACT OFF

enum { part = 256 };

/// A part of the row with the skipped columns at `hole`, padded with it to whole lanes.
/// `next` moves past the skipped columns of the part.
GYRO_INLINE int64_t fill_part(const float *x, int64_t first, int64_t stop, const int32_t *skipped,
                              int64_t count, int64_t *next, float hole, float *terms) {
  int64_t length = stop - first;
  int64_t padded = (length + gyro_lane_count - 1) / gyro_lane_count * gyro_lane_count;
  for (int64_t j = 0; j < length; j++) terms[j] = x[first + j];
  for (int64_t j = length; j < padded; j++) terms[j] = hole;
  for (; *next < count && skipped[*next] < stop; ++*next) terms[skipped[*next] - first] = hole;
  return padded;
}

GYRO_CLONES
static float rest_maximum(const float *x, int64_t columns, const int32_t *skipped, int64_t count) {
  float best[gyro_lane_count], terms[part];
  for (int lane = 0; lane < gyro_lane_count; lane++) best[lane] = -__builtin_inff();
  int64_t next = 0;
  for (int64_t first = 0; first < columns; first += part) {
    int64_t stop = columns - first < part ? columns : first + part;
    int64_t padded =
        fill_part(x, first, stop, skipped, count, &next, -__builtin_inff(), terms);
    for (int64_t j = 0; j < padded; j += gyro_lane_count)
      for (int lane = 0; lane < gyro_lane_count; lane++)
        best[lane] = terms[j + lane] > best[lane] ? terms[j + lane] : best[lane];
  }
  for (int lane = 1; lane < gyro_lane_count; lane++)
    best[0] = best[lane] > best[0] ? best[lane] : best[0];
  return best[0];
}

GYRO_CLONES
static double rest_exp_sum(const float *x, int64_t columns, const int32_t *skipped, int64_t count,
                           float maximum, float factor) {
  double sum;
  int64_t next = 0;
  GYRO_BLOCK_SUM(sum, columns, first, length, terms, {
    fill_part(x, first, first + length, skipped, count, &next, -__builtin_inff(), terms);
    for (int64_t j = 0; j < length; j++)
      terms[j] = gyro_exp_nonpositive((terms[j] - maximum) * factor);
  });
  return sum;
}

double gyro_rest_log_sum_exp(const float *x, int64_t columns, const int32_t *skipped,
                             int64_t count, float factor) {
  if (count >= columns) return -INFINITY;
  float maximum = rest_maximum(x, columns, skipped, count);
  if (maximum == -INFINITY) return -INFINITY;
  double sum = rest_exp_sum(x, columns, skipped, count, maximum, factor);
  return (double)maximum * factor + log(sum);
}
