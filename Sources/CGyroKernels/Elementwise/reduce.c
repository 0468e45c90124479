#include "gyro_reduce.h"

#include "gyro_clones.h"
#include "gyro_lanes.h"
#include "gyro_parallel.h"

#pragma STDC FP_CONTRACT OFF

enum { block = 4096, maximum_chunks = 256, grain = 32768, maximum_tile = 2048, row_block = 64 };

// MARK: Sums of everything

typedef double (*block_sum)(const float *a, const float *b, int64_t count);

/// Σ of an expression of lanes `v` (from a) and `w` (from b) over at most one block.
#define BLOCK_SUM(name, read_second, term)                                             \
  GYRO_CLONES static double name(const float *a, const float *b, int64_t count) {      \
    (void)b;                                                                           \
    gyro_lanes total = {0};                                                            \
    int64_t i = 0;                                                                     \
    for (; i + gyro_lane_count <= count; i += gyro_lane_count) {                       \
      gyro_lanes v, w = {0};                                                           \
      GYRO_LOAD(v, a + i);                                                             \
      if (read_second) GYRO_LOAD(w, b + i);                                            \
      (void)w;                                                                         \
      total += (term);                                                                 \
    }                                                                                  \
    if (i < count) {                                                                   \
      gyro_lanes v = {0}, w = {0};                                                     \
      memcpy(&v, a + i, (size_t)(count - i) * sizeof(float));                          \
      if (read_second) memcpy(&w, b + i, (size_t)(count - i) * sizeof(float));         \
      total += (term);                                                                 \
    }                                                                                  \
    float sum;                                                                         \
    GYRO_TREE_SUM(sum, total);                                                         \
    return sum;                                                                        \
  }

BLOCK_SUM(sum_block, 0, v)
BLOCK_SUM(square_block, 0, v *v)
BLOCK_SUM(dot_block, 1, v *w)
BLOCK_SUM(difference_block, 1, (v - w) * (v - w))

typedef struct {
  block_sum sum;
  const float *a, *b;
  int64_t count, chunk;
  double partial[maximum_chunks];
} Sum;

static double sum_range(const Sum *job, int64_t first, int64_t stop) {
  double total = 0;
  for (int64_t i = first; i < stop; i += block) {
    int64_t count = stop - i < block ? stop - i : block;
    total += job->sum(job->a + i, job->b ? job->b + i : 0, count);
  }
  return total;
}

static void sum_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  Sum *job = context;
  for (int64_t chunk = begin; chunk < end; chunk++) {
    int64_t first = chunk * job->chunk, stop = first + job->chunk;
    job->partial[chunk] = sum_range(job, first, stop < job->count ? stop : job->count);
  }
}

/// Cut into at most 256 chunks of whole blocks: the cut depends on the count alone.
static double sum_all(block_sum sum, const float *a, const float *b, int64_t count) {
  if (count <= block) return count > 0 ? sum(a, b, count) : 0;
  int64_t blocks = (count + block - 1) / block;
  int64_t chunk = (blocks + maximum_chunks - 1) / maximum_chunks * block;
  int64_t chunks = (count + chunk - 1) / chunk;
  Sum job;
  job.sum = sum;
  job.a = a;
  job.b = b;
  job.count = count;
  job.chunk = chunk;
  gyro_parallel_for(chunks, 1 + (grain - 1) / chunk, sum_body, &job);
  double total = 0;
  for (int64_t i = 0; i < chunks; i++) total += job.partial[i];
  return total;
}

double gyro_sum(const float *x, int64_t count) { return sum_all(sum_block, x, 0, count); }

double gyro_sum_of_squares(const float *x, int64_t count) {
  return sum_all(square_block, x, 0, count);
}

double gyro_dot(const float *a, const float *b, int64_t count) {
  return sum_all(dot_block, a, b, count);
}

double gyro_sum_of_squared_differences(const float *a, const float *b, int64_t count) {
  return sum_all(difference_block, a, b, count);
}

// MARK: Sums over one axis

typedef struct {
  const float *x;
  float *destination;
  int64_t middle, inner, tile, tiles;
  float factor;
} Axis;

static void row_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Axis *job = context;
  for (int64_t row = begin; row < end; row++)
    job->destination[row] =
        (float)(gyro_sum(job->x + row * job->middle, job->middle) * job->factor);
}

/// total += the sum of `rows` rows, four at a time.
GYRO_CLONES
static void add_rows(const float *x, int64_t pitch, int64_t rows, int64_t count, float *total) {
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4) {
    const float *a = x + row * pitch, *b = a + pitch, *c = b + pitch, *d = c + pitch;
    GYRO_ELEMENTWISE
    for (int64_t i = 0; i < count; i++) total[i] += (a[i] + b[i]) + (c[i] + d[i]);
  }
  for (; row < rows; row++) {
    const float *a = x + row * pitch;
    GYRO_ELEMENTWISE
    for (int64_t i = 0; i < count; i++) total[i] += a[i];
  }
}

static void column_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Axis *job = context;
  float part[maximum_tile];
  double total[maximum_tile];
  for (int64_t i = begin; i < end; i++) {
    int64_t outer = i / job->tiles, first = i % job->tiles * job->tile;
    int64_t count = job->inner - first < job->tile ? job->inner - first : job->tile;
    const float *x = job->x + outer * job->middle * job->inner + first;
    for (int64_t c = 0; c < count; c++) total[c] = 0;
    for (int64_t row = 0; row < job->middle; row += row_block) {
      int64_t rows = job->middle - row < row_block ? job->middle - row : row_block;
      for (int64_t c = 0; c < count; c++) part[c] = 0;
      add_rows(x + row * job->inner, job->inner, rows, count, part);
      for (int64_t c = 0; c < count; c++) total[c] += part[c];
    }
    float *destination = job->destination + outer * job->inner + first;
    for (int64_t c = 0; c < count; c++) destination[c] = (float)(total[c] * job->factor);
  }
}

void gyro_sum_middle(const float *x, int64_t outer, int64_t middle, int64_t inner, float factor,
                     float *destination) {
  Axis job = {.x = x, .destination = destination, .middle = middle, .inner = inner,
              .factor = factor};
  if (outer * inner == 0) return;
  if (inner == 1) {
    // One long row is shared out inside its sum; the bits are the same either way.
    if (outer < gyro_thread_count())
      row_body(&job, 0, outer, 0);
    else
      gyro_parallel_for(outer, 1 + grain / (middle + 1), row_body, &job);
    return;
  }
  // Each column is added up in the same order whatever the tile, so tiles may follow the threads.
  int64_t threads = gyro_thread_count(), tile = (inner + threads - 1) / threads;
  if (outer >= threads) tile = inner;
  tile = (tile + gyro_lane_count - 1) / gyro_lane_count * gyro_lane_count;
  job.tile = tile < maximum_tile ? tile : maximum_tile;
  job.tiles = (inner + job.tile - 1) / job.tile;
  gyro_parallel_for(outer * job.tiles, 1 + grain / (job.tile * (middle + 1)), column_body, &job);
}
