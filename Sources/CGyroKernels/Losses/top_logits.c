#include <math.h>
#include <string.h>

#include "gyro_clones.h"
#include "gyro_distillation.h"
#include "gyro_lanes.h"
#include "gyro_parallel.h"
#include "rest_rows.h"

#pragma STDC FP_CONTRACT OFF

enum { grain = 4096, part = 256 };

typedef struct {
  const float *x;
  int64_t columns, kept;
  float factor;
  int32_t *indices;
  float *values, *rest;
} Top;

/// Whether a place of the heap is worse than another: smaller, or as large and further right.
static int is_worse(float a, int32_t i, float b, int32_t j) { return a < b || (a == b && i > j); }

/// Moves the root of a heap, whose worst element is its root, to where it belongs.
static void sink(float *values, int32_t *indices, int64_t count) {
  float value = values[0];
  int32_t index = indices[0];
  int64_t place = 0;
  for (;;) {
    int64_t child = 2 * place + 1;
    if (child >= count) break;
    if (child + 1 < count &&
        is_worse(values[child + 1], indices[child + 1], values[child], indices[child]))
      child++;
    if (!is_worse(values[child], indices[child], value, index)) break;
    values[place] = values[child];
    indices[place] = indices[child];
    place = child;
  }
  values[place] = value;
  indices[place] = index;
}

/// Whether any of `count` elements is above a threshold: most parts of a row have none.
GYRO_CLONES
static int any_above(const float *x, int64_t count, float threshold) {
  int found = 0;
  for (int64_t i = 0; i < count; i++) found |= x[i] > threshold;
  return found;
}

/// Moves the last element of a heap up to where it belongs.
static void rise(float *values, int32_t *indices, int64_t place) {
  while (place > 0) {
    int64_t parent = (place - 1) / 2;
    if (!is_worse(values[place], indices[place], values[parent], indices[parent])) return;
    float value = values[place];
    int32_t index = indices[place];
    values[place] = values[parent];
    indices[place] = indices[parent];
    values[parent] = value;
    indices[parent] = index;
    place = parent;
  }
}

/// Moves a place of a heap of columns, whose largest is its root, down to where it belongs.
static void sift_column(int32_t *indices, int64_t place, int64_t count) {
  for (;;) {
    int64_t child = 2 * place + 1;
    if (child >= count) return;
    if (child + 1 < count && indices[child + 1] > indices[child]) child++;
    if (indices[child] <= indices[place]) return;
    int32_t index = indices[place];
    indices[place] = indices[child];
    indices[child] = index;
    place = child;
  }
}

static void top_row(const float *x, int64_t columns, int64_t kept, int32_t *indices,
                    float *values) {
  for (int64_t i = 0; i < kept; i++) {
    values[i] = x[i];
    indices[i] = (int32_t)i;
    rise(values, indices, i);
  }
  for (int64_t first = kept; first < columns; first += part) {
    int64_t stop = columns - first < part ? columns : first + part;
    if (!any_above(x + first, stop - first, values[0])) continue;
    for (int64_t i = first; i < stop; i++) {
      if (!(x[i] > values[0])) continue;
      values[0] = x[i];
      indices[0] = (int32_t)i;
      sink(values, indices, kept);
    }
  }
  // By rising column; the values follow.
  for (int64_t start = kept / 2; start-- > 0;) sift_column(indices, start, kept);
  for (int64_t end = kept - 1; end > 0; end--) {
    int32_t index = indices[0];
    indices[0] = indices[end];
    indices[end] = index;
    sift_column(indices, 0, end);
  }
  for (int64_t i = 0; i < kept; i++) values[i] = x[indices[i]];
}

static void top_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Top *job = context;
  for (int64_t row = begin; row < end; row++) {
    const float *x = job->x + row * job->columns;
    int32_t *indices = job->indices + row * job->kept;
    top_row(x, job->columns, job->kept, indices, job->values + row * job->kept);
    job->rest[row] =
        (float)gyro_rest_log_sum_exp(x, job->columns, indices, job->kept, job->factor);
  }
}

void gyro_top_logits(const float *x, int64_t rows, int64_t columns, int64_t kept, float factor,
                     int32_t *indices, float *values, float *rest_log_sum_exp) {
  Top job = {.x = x,
             .columns = columns,
             .kept = kept,
             .factor = factor,
             .indices = indices,
             .values = values,
             .rest = rest_log_sum_exp};
  gyro_parallel_for(rows, 1 + grain / (columns + 1), top_body, &job);
}
