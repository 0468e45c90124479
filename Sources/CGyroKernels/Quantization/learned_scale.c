#include "gyro_learned_scale.h"

#include <math.h>
#include <stddef.h>

#include "gyro_clones.h"
#include "gyro_lanes.h"
#include "gyro_math.h"
#include "gyro_parallel.h"
#include "gyro_project.h"

#pragma STDC FP_CONTRACT OFF

enum { piece_length = 16384, sum_count = 3 };

typedef struct {
  const gyro_learned_scale *range;
  const float *x, *cotangent;
  float *x_gradient, *partial;
  int64_t length, pieces;
} Gradient;

/// The ends of one group's range.
typedef struct {
  float scale, lowest, largest, slack, error_weight;
} Ends;

GYRO_INLINE Ends ends_of(const gyro_learned_scale *range, int64_t group) {
  Ends ends = {range->scales[group], range->format.lowest, range->format.largest, range->slack,
               range->error_weight};
  if (range->zero_points) {
    ends.lowest = -range->zero_points[group];
    ends.largest = range->span - range->zero_points[group];
  }
  return ends;
}

/// Sixteen projections; `kind` is a constant where this is inlined.
GYRO_INLINE void project_lanes(const gyro_number_format *format, int kind, Ends ends,
                               const float *u, float *p) {
  if (kind == GYRO_FORMAT_LEVELS) {
    int32_t index[gyro_lane_count] = {0};
    for (int32_t i = 0; i + 1 < format->level_count; i++)
      for (int lane = 0; lane < gyro_lane_count; lane++)
        index[lane] += u[lane] >= format->thresholds[i];
    for (int lane = 0; lane < gyro_lane_count; lane++) p[lane] = format->levels[index[lane]];
    return;
  }
  const uint32_t smallest = (uint32_t)(format->smallest_exponent + 127) << 23;
  const uint32_t shift = (uint32_t)(23 - format->mantissa_bits) << 23;
  for (int lane = 0; lane < gyro_lane_count; lane++)
    p[lane] = kind == GYRO_FORMAT_INTEGERS
                  ? gyro_project_integer(u[lane], ends.lowest, ends.largest)
                  : gyro_project_float(u[lane], ends.largest, smallest, shift);
}

/// Sixteen elements. Values are selected, not multiplied by a mask, because u may be infinite where
/// it is outside.
GYRO_INLINE void differentiate_lanes(const gyro_number_format *format, int kind, Ends ends,
                                     const float *x, const float *c, float *x_gradient,
                                     float sums[sum_count][gyro_lane_count]) {
  float u[gyro_lane_count], p[gyro_lane_count];
  const float low = ends.lowest - ends.slack, high = ends.largest + ends.slack;
  for (int lane = 0; lane < gyro_lane_count; lane++) u[lane] = x[lane] / ends.scale;
  project_lanes(format, kind, ends, u, p);
  for (int lane = 0; lane < gyro_lane_count; lane++) {
    const int inside = (u[lane] > low) & (u[lane] < high);
    const float error = p[lane] - u[lane];
    const float scaled = c[lane] - gyro_absolute(c[lane]) * ends.error_weight * error;
    const float rounding = c[lane] * error, saturated = c[lane] * p[lane];
    x_gradient[lane] = inside ? scaled : 0.0f;
    sums[0][lane] += inside ? rounding : 0.0f;
    sums[1][lane] += inside ? 0.0f : saturated;
    sums[2][lane] += inside ? 0.0f : c[lane];
  }
}

/// A piece of a group; the rest of a vector is filled with zeros, which add nothing.
GYRO_INLINE void differentiate_piece(const gyro_number_format *format, int kind, Ends ends,
                                     const float *x, const float *c, int64_t count,
                                     float *x_gradient, float *result) {
  float sums[sum_count][gyro_lane_count] = {{0}};
  float gradient[gyro_lane_count];
  int64_t i = 0;
  for (; i + gyro_lane_count <= count; i += gyro_lane_count) {
    differentiate_lanes(format, kind, ends, x + i, c + i, gradient, sums);
    if (x_gradient) memcpy(x_gradient + i, gradient, sizeof gradient);
  }
  if (i < count) {
    float rest[2][gyro_lane_count] = {{0}};
    memcpy(rest[0], x + i, (size_t)(count - i) * sizeof(float));
    memcpy(rest[1], c + i, (size_t)(count - i) * sizeof(float));
    differentiate_lanes(format, kind, ends, rest[0], rest[1], gradient, sums);
    if (x_gradient) memcpy(x_gradient + i, gradient, (size_t)(count - i) * sizeof(float));
  }
  if (!result) return;
  for (int sum = 0; sum < sum_count; sum++) GYRO_TREE_SUM(result[sum], sums[sum]);
}

GYRO_INLINE void differentiate_pieces_of_kind(const Gradient *job, int kind, int64_t begin,
                                              int64_t end) {
  const gyro_number_format format = job->range->format;
  for (int64_t task = begin; task < end; task++) {
    const int64_t group = task / job->pieces, start = task % job->pieces * piece_length;
    const int64_t left = job->length - start, place = group * job->length + start;
    differentiate_piece(&format, kind, ends_of(job->range, group), job->x + place,
                        job->cotangent + place, left < piece_length ? left : piece_length,
                        job->x_gradient ? job->x_gradient + place : NULL,
                        job->partial ? job->partial + task * sum_count : NULL);
  }
}

GYRO_CLONES
static void differentiate_integers(const Gradient *job, int64_t begin, int64_t end) {
  differentiate_pieces_of_kind(job, GYRO_FORMAT_INTEGERS, begin, end);
}

GYRO_CLONES
static void differentiate_floats(const Gradient *job, int64_t begin, int64_t end) {
  differentiate_pieces_of_kind(job, GYRO_FORMAT_FLOATS, begin, end);
}

GYRO_CLONES
static void differentiate_levels(const Gradient *job, int64_t begin, int64_t end) {
  differentiate_pieces_of_kind(job, GYRO_FORMAT_LEVELS, begin, end);
}

static void differentiate_pieces(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Gradient *job = context;
  switch (job->range->format.kind) {
    case GYRO_FORMAT_INTEGERS: return differentiate_integers(job, begin, end);
    case GYRO_FORMAT_FLOATS: return differentiate_floats(job, begin, end);
    default: return differentiate_levels(job, begin, end);
  }
}

static int64_t pieces_of(int64_t length) { return (length + piece_length - 1) / piece_length; }

int64_t gyro_learned_scale_partials(int64_t groups, int64_t length) {
  return sum_count * groups * pieces_of(length);
}

void gyro_learned_scale_gradient(const gyro_learned_scale *range, const float *x,
                                 const float *cotangent, int64_t groups, int64_t length,
                                 float *x_gradient, float *sums, float *partial) {
  const int64_t pieces = pieces_of(length);
  Gradient job = {.range = range, .x = x, .cotangent = cotangent, .x_gradient = x_gradient,
                  .partial = sums ? partial : NULL, .length = length, .pieces = pieces};
  const int64_t work = length < piece_length ? length : piece_length;
  gyro_parallel_for(groups * pieces, 1 + piece_length / (work + 1), differentiate_pieces, &job);
  if (!sums) return;
  for (int64_t group = 0; group < groups; group++)
    for (int sum = 0; sum < sum_count; sum++) {
      const float *piece = partial + group * pieces * sum_count + sum;
      float total = 0;
      for (int64_t i = 0; i < pieces; i++) total += piece[i * sum_count];
      sums[sum * groups + group] = total;
    }
}

void gyro_reference_learned_scale_gradient(const gyro_learned_scale *range, const float *x,
                                           const float *cotangent, int64_t groups, int64_t length,
                                           float *x_gradient, float *sums) {
  for (int64_t group = 0; group < groups; group++) {
    const Ends ends = ends_of(range, group);
    double total[sum_count] = {0};
    for (int64_t i = group * length; i < (group + 1) * length; i++) {
      const float u = x[i] / ends.scale, c = cotangent[i];
      const float p = range->zero_points ? rintf(fminf(fmaxf(u, ends.lowest), ends.largest))
                                         : gyro_project(&range->format, u);
      const int inside = u > ends.lowest - ends.slack && u < ends.largest + ends.slack;
      if (x_gradient)
        x_gradient[i] = inside ? c - fabsf(c) * ends.error_weight * (p - u) : 0.0f;
      if (inside) total[0] += (double)c * (double)(p - u);
      if (!inside) total[1] += (double)c * (double)p;
      if (!inside) total[2] += (double)c;
    }
    for (int sum = 0; sums && sum < sum_count; sum++)
      sums[sum * groups + group] = (float)total[sum];
  }
}

// Stochastic rounding. A batch is 64 elements: sixteen Philox blocks side by side, four words each;
// word w of block b belongs to element 16 w + b.

enum { batch_length = 64 };

typedef struct {
  const gyro_learned_scale *range;
  const float *x;
  float *y;
  int64_t length, count;
  uint64_t key;
} Rounding;

GYRO_INLINE void batch_noise(uint64_t key, int64_t batch, float *noise) {
  uint32_t a[gyro_lane_count], b[gyro_lane_count], c[gyro_lane_count], d[gyro_lane_count];
  for (int lane = 0; lane < gyro_lane_count; lane++) {
    const uint64_t counter = (uint64_t)batch * gyro_lane_count + (uint64_t)lane;
    a[lane] = (uint32_t)counter;
    b[lane] = (uint32_t)(counter >> 32);
    c[lane] = d[lane] = 0;
  }
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  for (int round = 0; round < 10; round++) {
    for (int lane = 0; lane < gyro_lane_count; lane++) {
      const uint64_t p = (uint64_t)a[lane] * 0xD2511F53u, q = (uint64_t)c[lane] * 0xCD9E8D57u;
      a[lane] = (uint32_t)(q >> 32) ^ b[lane] ^ k0;
      b[lane] = (uint32_t)q;
      c[lane] = (uint32_t)(p >> 32) ^ d[lane] ^ k1;
      d[lane] = (uint32_t)p;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (int lane = 0; lane < gyro_lane_count; lane++) {
    noise[lane] = (float)(int32_t)(a[lane] >> 8) * 0x1p-24f;
    noise[lane + 16] = (float)(int32_t)(b[lane] >> 8) * 0x1p-24f;
    noise[lane + 32] = (float)(int32_t)(c[lane] >> 8) * 0x1p-24f;
    noise[lane + 48] = (float)(int32_t)(d[lane] >> 8) * 0x1p-24f;
  }
}

/// A number of magnitude below 2^22 rounded down, or up where the noise is less than its fraction.
/// The fraction is exact, so whole numbers stay.
GYRO_INLINE float round_by_noise(float u, float noise) {
  const float magic = 12582912.0f;
  const float nearest = (u + magic) - magic;
  const float below = nearest > u ? nearest - 1.0f : nearest;
  return below + (noise < u - below ? 1.0f : 0.0f);
}

GYRO_INLINE float round_float(float u, float noise, uint32_t smallest, uint32_t mantissa) {
  const uint32_t bits = gyro_bits(u), sign = bits & 0x80000000u;
  uint32_t power = bits & 0x7f800000u;
  power = power < smallest ? smallest : power;
  const float step = gyro_from_bits(power - mantissa);
  const float magnitude = round_by_noise(gyro_absolute(u) / step, noise) * step;
  return gyro_from_bits(gyro_bits(magnitude) | sign);
}

GYRO_INLINE float round_level(float u, float noise, const gyro_number_format *format) {
  int32_t index = 0;
  for (int32_t i = 1; i < format->level_count; i++) index += u >= format->levels[i];
  const int32_t next = index + 1 < format->level_count ? index + 1 : index;
  const float below = format->levels[index], above = format->levels[next];
  return noise * (above - below) < u - below ? above : below;
}

/// A run of elements with one scale and their noise.
GYRO_INLINE void round_run(const gyro_number_format *format, int kind, Ends ends,
                           const float *restrict x, const float *restrict noise, int64_t count,
                           float *restrict y) {
  const uint32_t smallest = (uint32_t)(format->smallest_exponent + 127) << 23;
  const uint32_t mantissa = (uint32_t)format->mantissa_bits << 23;
  if (kind == GYRO_FORMAT_LEVELS) {
    ends.lowest = format->levels[0];
    ends.largest = format->levels[format->level_count - 1];
  }
  for (int64_t i = 0; i < count; i++) {
    float u = x[i] / ends.scale;
    u = u < ends.lowest ? ends.lowest : u;
    u = u > ends.largest ? ends.largest : u;
    const float p = kind == GYRO_FORMAT_INTEGERS ? round_by_noise(u, noise[i])
                    : kind == GYRO_FORMAT_FLOATS
                        ? round_float(u, noise[i], smallest, mantissa)
                        : round_level(u, noise[i], format);
    y[i] = x[i] - x[i] == 0.0f ? p * ends.scale : x[i];  // what is not finite stays for a check
  }
}

GYRO_INLINE void round_batches_of_kind(const Rounding *job, int kind, int64_t begin, int64_t end) {
  const gyro_number_format format = job->range->format;
  float noise[batch_length];
  for (int64_t batch = begin; batch < end; batch++) {
    const int64_t first = batch * batch_length;
    const int64_t last = first + batch_length < job->count ? first + batch_length : job->count;
    batch_noise(job->key, batch, noise);
    for (int64_t i = first; i < last;) {
      const int64_t group = i / job->length, edge = (group + 1) * job->length;
      const int64_t stop = edge < last ? edge : last;
      round_run(&format, kind, ends_of(job->range, group), job->x + i, noise + (i - first),
                stop - i, job->y + i);
      i = stop;
    }
  }
}

GYRO_CLONES
static void round_integers(const Rounding *job, int64_t begin, int64_t end) {
  round_batches_of_kind(job, GYRO_FORMAT_INTEGERS, begin, end);
}

GYRO_CLONES
static void round_floats(const Rounding *job, int64_t begin, int64_t end) {
  round_batches_of_kind(job, GYRO_FORMAT_FLOATS, begin, end);
}

GYRO_CLONES
static void round_levels(const Rounding *job, int64_t begin, int64_t end) {
  round_batches_of_kind(job, GYRO_FORMAT_LEVELS, begin, end);
}

static void round_batches(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Rounding *job = context;
  switch (job->range->format.kind) {
    case GYRO_FORMAT_INTEGERS: return round_integers(job, begin, end);
    case GYRO_FORMAT_FLOATS: return round_floats(job, begin, end);
    default: return round_levels(job, begin, end);
  }
}

void gyro_round_stochastically(const gyro_learned_scale *range, const float *x, int64_t groups,
                               int64_t length, uint64_t key, float *y) {
  Rounding job = {.range = range, .x = x, .y = y, .length = length, .count = groups * length,
                  .key = key};
  gyro_parallel_for((job.count + batch_length - 1) / batch_length, 128, round_batches, &job);
}

void gyro_reference_rounding_noise(uint64_t key, int64_t count, float *noise) {
  for (int64_t i = 0; i < count; i++) {
    const int64_t in_batch = i % batch_length;
    const uint64_t counter =
        (uint64_t)(i / batch_length * gyro_lane_count + in_batch % gyro_lane_count);
    uint32_t state[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), 0, 0};
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
      const uint64_t p = (uint64_t)state[0] * 0xD2511F53u, q = (uint64_t)state[2] * 0xCD9E8D57u;
      const uint32_t next[4] = {(uint32_t)(q >> 32) ^ state[1] ^ k0, (uint32_t)q,
                                (uint32_t)(p >> 32) ^ state[3] ^ k1, (uint32_t)p};
      memcpy(state, next, sizeof state);
    }
    noise[i] = (float)(state[in_batch / gyro_lane_count] >> 8) * 0x1p-24f;
  }
}
