#include "gyro_histogram.h"

#include <stdlib.h>

#include "gyro_clones.h"
#include "gyro_lanes.h"
#include "gyro_parallel.h"

#pragma STDC FP_CONTRACT OFF

// Counts are whole numbers, so they do not depend on who counted what. Each thread counts in four
// tables in turn: a value that repeats, as zero does after a rectifier, need not wait for the store
// of the one before it.
enum { block = 1024, tables = 4, grain = 65536 };

typedef struct {
  const float *x;
  float width;
  int64_t bins;
  uint32_t *counts;
} Histogram;

/// The number of widths that cover each value, with its sign.
GYRO_CLONES
static void bin_block(const float *x, int64_t count, float width, int32_t bins, int32_t *places) {
  float limit = (float)bins;
  GYRO_ELEMENTWISE
  for (int64_t i = 0; i < count; i++) {
    float v = x[i] / width;
    v = v > limit ? limit : v;
    v = v < -limit ? -limit : v;
    int32_t whole = (int32_t)v;
    places[i] = bins + whole + (v > (float)whole) - (v < (float)whole);
  }
}

static void count_body(void *context, int64_t begin, int64_t end, int thread) {
  const Histogram *job = context;
  int64_t size = 2 * job->bins + 1;
  uint32_t *counts = job->counts + thread * tables * size;
  int32_t places[block];
  for (int64_t first = begin; first < end; first += block) {
    int64_t count = end - first < block ? end - first : block;
    bin_block(job->x + first, count, job->width, (int32_t)job->bins, places);
    int64_t i = 0;
    for (; i + tables <= count; i += tables)
      for (int table = 0; table < tables; table++) counts[table * size + places[i + table]]++;
    for (; i < count; i++) counts[places[i]]++;
  }
}

void gyro_histogram(const float *x, int64_t count, float width, int64_t bins, int64_t *counts) {
  int64_t size = 2 * bins + 1, rows = (int64_t)gyro_thread_count() * tables;
  const int64_t slice = (int64_t)1 << 31;  // what a 32-bit count can hold
  uint32_t *scratch = malloc((size_t)(rows * size) * sizeof *scratch);
  if (!scratch) abort();
  for (int64_t first = 0; first < count; first += slice) {
    int64_t part = count - first < slice ? count - first : slice;
    for (int64_t i = 0; i < rows * size; i++) scratch[i] = 0;
    Histogram job = {x + first, width, bins, scratch};
    gyro_parallel_for(part, grain, count_body, &job);
    for (int64_t row = 0; row < rows; row++)
      for (int64_t i = 0; i < size; i++) counts[i] += scratch[row * size + i];
  }
  free(scratch);
}

void gyro_reference_histogram(const float *x, int64_t count, float width, int64_t bins,
                              int64_t *counts) {
  for (int64_t i = 0; i < count; i++) {
    float v = x[i] / width, size = __builtin_ceilf(__builtin_fabsf(v));
    int64_t place = size > (float)bins ? bins : (int64_t)size;
    counts[bins + (v < 0.0f ? -place : place)]++;
  }
}
