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

// MARK: Extremes

/// The largest element times ±1; bad is set when there is a NaN.
GYRO_CLONES
static float largest(const float *x, int64_t count, float sign, int32_t *bad) {
  float best[gyro_lane_count];
  int32_t nan[gyro_lane_count] = {0};
  for (int lane = 0; lane < gyro_lane_count; lane++) best[lane] = -__builtin_inff();
  int64_t i = 0;
  for (; i + gyro_lane_count <= count; i += gyro_lane_count)
    for (int lane = 0; lane < gyro_lane_count; lane++) {
      float v = x[i + lane] * sign;
      best[lane] = v > best[lane] ? v : best[lane];
      nan[lane] |= v != v;
    }
  for (; i < count; i++) {
    float v = x[i] * sign;
    best[0] = v > best[0] ? v : best[0];
    nan[0] |= v != v;
  }
  for (int lane = 1; lane < gyro_lane_count; lane++) {
    best[0] = best[lane] > best[0] ? best[lane] : best[0];
    nan[0] |= nan[lane];
  }
  *bad |= nan[0];
  return best[0];
}

/// Magnitudes order like their bits; infinity and then NaN come out on top.
GYRO_CLONES
static int32_t largest_bits(const float *x, int64_t count) {
  int32_t best[gyro_lane_count] = {0};
  int64_t i = 0;
  for (; i + gyro_lane_count <= count; i += gyro_lane_count)
    for (int lane = 0; lane < gyro_lane_count; lane++) {
      int32_t v = (int32_t)(gyro_bits(x[i + lane]) & 0x7fffffffu);
      best[lane] = v > best[lane] ? v : best[lane];
    }
  for (; i < count; i++) {
    int32_t v = (int32_t)(gyro_bits(x[i]) & 0x7fffffffu);
    best[0] = v > best[0] ? v : best[0];
  }
  for (int lane = 1; lane < gyro_lane_count; lane++)
    best[0] = best[lane] > best[0] ? best[lane] : best[0];
  return best[0];
}

typedef struct {
  const float *x;
  int64_t count, chunk;
  float sign;
  float best[maximum_chunks];
  int32_t bits[maximum_chunks];
  int32_t bad[maximum_chunks];
} Extreme;

static void extreme_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  Extreme *job = context;
  for (int64_t chunk = begin; chunk < end; chunk++) {
    int64_t first = chunk * job->chunk, rest = job->count - first;
    int64_t count = rest < job->chunk ? rest : job->chunk;
    job->bad[chunk] = 0;
    if (job->sign == 0)
      job->bits[chunk] = largest_bits(job->x + first, count);
    else
      job->best[chunk] = largest(job->x + first, count, job->sign, &job->bad[chunk]);
  }
}

static int64_t run_extreme(Extreme *job, const float *x, int64_t count, float sign) {
  job->x = x;
  job->count = count;
  job->sign = sign;
  job->chunk = (count + maximum_chunks - 1) / maximum_chunks;
  if (job->chunk < block) job->chunk = block;
  int64_t chunks = (count + job->chunk - 1) / job->chunk;
  gyro_parallel_for(chunks, 1 + (grain - 1) / job->chunk, extreme_body, job);
  return chunks;
}

static float signed_extreme(const float *x, int64_t count, float sign) {
  Extreme job;
  int64_t chunks = run_extreme(&job, x, count, sign);
  float best = -__builtin_inff();
  for (int64_t i = 0; i < chunks; i++) {
    if (job.bad[i]) return __builtin_nanf("");
    if (job.best[i] > best) best = job.best[i];
  }
  return best * sign;
}

float gyro_maximum(const float *x, int64_t count) { return signed_extreme(x, count, 1); }

float gyro_minimum(const float *x, int64_t count) { return signed_extreme(x, count, -1); }

float gyro_maximum_magnitude(const float *x, int64_t count) {
  Extreme job;
  int64_t chunks = run_extreme(&job, x, count, 0);
  int32_t best = 0;
  for (int64_t i = 0; i < chunks; i++) best = job.bits[i] > best ? job.bits[i] : best;
  return gyro_from_bits((uint32_t)best);
}

typedef struct {
  const float *x;
  int64_t columns;
  int64_t *destination;
} Argmax;

static void argmax_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Argmax *job = context;
  for (int64_t row = begin; row < end; row++) {
    const float *x = job->x + row * job->columns;
    int32_t bad = 0;
    float best = largest(x, job->columns, 1, &bad);
    int64_t place = 0;  // of the first NaN, when there is one
    if (bad)
      while (x[place] == x[place]) place++;
    else
      while (x[place] != best) place++;
    job->destination[row] = place;
  }
}

void gyro_argmax_rows(const float *x, int64_t rows, int64_t columns, int64_t *destination) {
  if (columns == 0) return;
  Argmax job = {x, columns, destination};
  gyro_parallel_for(rows, 1 + grain / columns, argmax_body, &job);
}
