#include "gyro_clones.h"
#include "gyro_lanes.h"
#include "gyro_parallel.h"
#include "gyro_reduce.h"

#pragma STDC FP_CONTRACT OFF

enum { block = 4096, maximum_chunks = 256, grain = 32768, skip = 64 };

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

/// The first place of `best`, or of a NaN when there is one; runs without a hit are skipped whole.
GYRO_CLONES
static int64_t first_place(const float *x, int64_t count, float best, int32_t nan) {
  int64_t place = 0;
  for (; place + skip <= count; place += skip) {
    int32_t hit = 0;
    for (int64_t i = place; i < place + skip; i++) hit |= nan ? x[i] != x[i] : x[i] == best;
    if (hit) break;
  }
  while (place < count - 1 && !(nan ? x[place] != x[place] : x[place] == best)) place++;
  return place;
}

static void argmax_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Argmax *job = context;
  for (int64_t row = begin; row < end; row++) {
    const float *x = job->x + row * job->columns;
    int32_t bad = 0;
    float best = largest(x, job->columns, 1, &bad);
    job->destination[row] = first_place(x, job->columns, best, bad);
  }
}

void gyro_argmax_rows(const float *x, int64_t rows, int64_t columns, int64_t *destination) {
  if (columns == 0) return;
  Argmax job = {x, columns, destination};
  gyro_parallel_for(rows, 1 + grain / columns, argmax_body, &job);
}
