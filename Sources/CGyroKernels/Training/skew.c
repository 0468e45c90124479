#include "gyro_skew.h"

#include <math.h>

#include "gyro_clones.h"
#include "gyro_lanes.h"
#include "gyro_parallel.h"

#pragma STDC FP_CONTRACT OFF

// A pass over what lies in a core's second-level cache costs less than waking another core.
enum { tile = 32, grain = 1 << 18, adam_grain = 1 << 15 };

typedef struct {
  const float *a;
  int64_t n;
  float factor, keep;
  float *target;
} Skew;

// Two rows shuffled into one another, like two halves of a deck of cards.
#define INTERLEAVE_LOW(a, b)                                                               \
  __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define INTERLEAVE_HIGH(a, b)                                                              \
  __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)

// turned[i][j] = a[j · n + i] for a square of 16: four times shuffled, rows are columns.
GYRO_INLINE void turn_square(const float *a, int64_t n, float *turned) {
  gyro_lanes rows[gyro_lane_count], next[gyro_lane_count];
  for (int j = 0; j < gyro_lane_count; j++) GYRO_LOAD(rows[j], a + j * n);
#pragma clang loop unroll(full)
  for (int round = 0; round < 4; round++) {
#pragma clang loop unroll(full)
    for (int pair = 0; pair < gyro_lane_count / 2; pair++) {
      next[2 * pair] = INTERLEAVE_LOW(rows[pair], rows[pair + gyro_lane_count / 2]);
      next[2 * pair + 1] = INTERLEAVE_HIGH(rows[pair], rows[pair + gyro_lane_count / 2]);
    }
#pragma clang loop unroll(full)
    for (int j = 0; j < gyro_lane_count; j++) rows[j] = next[j];
  }
  for (int i = 0; i < gyro_lane_count; i++) GYRO_STORE(turned + i * tile, rows[i]);
}

// Rows [begin, end) of the result. Columns of `a` are read through a tile that stays in the cache.
GYRO_CLONES
static void skew_rows(const Skew *job, int64_t begin, int64_t end) {
  const int64_t n = job->n;
  const float factor = job->factor, keep = job->keep;
  float turned[tile][tile];
  for (int64_t top = begin; top < end; top += tile) {
    int64_t height = end - top < tile ? end - top : tile;
    for (int64_t left = 0; left < n; left += tile) {
      int64_t width = n - left < tile ? n - left : tile;
      // A column of tiles jumps from page to page, which no hardware follows.
      if (left + 2 * tile <= n)
        for (int64_t j = 0; j < tile; j++) {
          const float *ahead = job->a + (left + tile + j) * n + top;
          __builtin_prefetch(ahead);
          __builtin_prefetch(ahead + tile / 2);
        }
      if (height == tile && width == tile)
        for (int64_t j = 0; j < tile; j += gyro_lane_count)
          for (int64_t i = 0; i < tile; i += gyro_lane_count)
            turn_square(job->a + (left + j) * n + top + i, n, turned[i] + j);
      else
        for (int64_t j = 0; j < width; j++)
          for (int64_t i = 0; i < height; i++) turned[i][j] = job->a[(left + j) * n + top + i];
      for (int64_t i = 0; i < height; i++) {
        const float *a = job->a + (top + i) * n + left, *other = turned[i];
        float *target = job->target + (top + i) * n + left;
        if (keep == 0) {
          GYRO_ELEMENTWISE
          for (int64_t j = 0; j < width; j++) target[j] = factor * (a[j] - other[j]);
        } else {
          GYRO_ELEMENTWISE
          for (int64_t j = 0; j < width; j++)
            target[j] = keep * target[j] + factor * (a[j] - other[j]);
        }
      }
    }
  }
}

static void skew_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Skew *job = context;
  int64_t last = end * tile < job->n ? end * tile : job->n;
  skew_rows(job, begin * tile, last);
}

void gyro_skew_part(const float *a, int64_t n, float factor, float keep, float *target) {
  Skew job = {a, n, factor, keep, target};
  gyro_parallel_for((n + tile - 1) / tile, 1 + grain / (tile * (n + 1)), skew_body, &job);
}

void gyro_reference_skew_part(const float *a, int64_t n, float factor, float keep, float *target) {
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < n; j++) {
      float part = factor * (a[i * n + j] - a[j * n + i]);
      target[i * n + j] = keep == 0 ? part : keep * target[i * n + j] + part;
    }
}

typedef struct {
  float *direction, *first, *second;
  float first_weight, beta2, second_weight, first_scale, root_scale, epsilon;
} Adam;

GYRO_CLONES
static void adam_range(float *g, float *m, float *v, int64_t count, const Adam *rule) {
  float first_weight = rule->first_weight, beta2 = rule->beta2;
  float second_weight = rule->second_weight, first_scale = rule->first_scale;
  float root_scale = rule->root_scale, epsilon = rule->epsilon;
  GYRO_ELEMENTWISE
  for (int64_t i = 0; i < count; i++) {
    float first = m[i] + (g[i] - m[i]) * first_weight;
    float second = beta2 * v[i] + second_weight * (g[i] * g[i]);
    m[i] = first;
    v[i] = second;
    g[i] = first * first_scale / (GYRO_SQRT(second) * root_scale + epsilon);
  }
}

static void adam_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Adam *rule = context;
  adam_range(rule->direction + begin, rule->first + begin, rule->second + begin, end - begin,
             rule);
}

void gyro_skew_adam(float *direction, float *first, float *second, int64_t count, double beta1,
                    double beta2, double epsilon, double bias1, double bias2) {
  Adam rule = {
      .direction = direction,
      .first = first,
      .second = second,
      .first_weight = (float)(1 - beta1),
      .beta2 = (float)beta2,
      .second_weight = (float)(1 - beta2),
      .first_scale = (float)(1 / bias1),
      .root_scale = (float)(1 / sqrt(bias2)),
      .epsilon = (float)epsilon,
  };
  gyro_parallel_for(count, adam_grain, adam_body, &rule);
}

typedef struct {
  float x, y;
  const float *a, *b;
  float *result;
} Sum;

GYRO_CLONES
static void sum_range(float x, const float *a, float y, const float *b, int64_t count,
                      float *result) {
  GYRO_ELEMENTWISE
  for (int64_t i = 0; i < count; i++) result[i] = x * a[i] + y * b[i];
}

static void sum_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Sum *job = context;
  sum_range(job->x, job->a + begin, job->y, job->b + begin, end - begin, job->result + begin);
}

void gyro_scaled_sum(float x, const float *a, float y, const float *b, int64_t count,
                     float *result) {
  Sum job = {x, y, a, b, result};
  gyro_parallel_for(count, grain, sum_body, &job);
}

typedef struct {
  const float *a;
  int64_t columns;
  // Bits of numbers that are not negative: they are ordered as the numbers are, and NaN is above all.
  uint32_t magnitude_sum, square_sum, magnitude;
} Extremes;

static void raise_to(uint32_t *place, float value) {
  uint32_t bits = gyro_bits(value), old = __atomic_load_n(place, __ATOMIC_RELAXED);
  while (bits > old && !__atomic_compare_exchange_n(place, &old, bits, 1, __ATOMIC_RELAXED,
                                                    __ATOMIC_RELAXED)) {
  }
}

GYRO_INLINE float larger(float a, float b) { return a > b || a != a ? a : b; }

GYRO_CLONES
static void extremes_of_row(const float *row, int64_t columns, float found[3]) {
  gyro_lanes magnitudes = {0}, squares = {0}, top = {0};
  const gyro_lanes_bits clear = {0};
  int64_t j = 0;
  for (; j + gyro_lane_count <= columns; j += gyro_lane_count) {
    gyro_lanes x;
    GYRO_LOAD(x, row + j);
    gyro_lanes_bits bits = (gyro_lanes_bits)x & (clear + 0x7fffffff);
    gyro_lanes magnitude = (gyro_lanes)bits;
    magnitudes += magnitude;
    squares += x * x;
    gyro_lanes_bits above = (gyro_lanes_bits)(magnitude > top);
    top = (gyro_lanes)((bits & above) | ((gyro_lanes_bits)top & ~above));
  }
  float sum, square, largest = 0, lanes[gyro_lane_count];
  GYRO_TREE_SUM(sum, magnitudes);
  GYRO_TREE_SUM(square, squares);
  GYRO_STORE(lanes, top);
  for (int lane = 0; lane < gyro_lane_count; lane++) largest = larger(lanes[lane], largest);
  for (; j < columns; j++) {
    float magnitude = row[j] < 0 ? -row[j] : row[j];
    sum += magnitude;
    square += row[j] * row[j];
    largest = larger(magnitude, largest);
  }
  found[0] = sum;
  found[1] = square;
  found[2] = sum == sum ? largest : sum;
}

static void extremes_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  Extremes *job = context;
  for (int64_t row = begin; row < end; row++) {
    float found[3];
    extremes_of_row(job->a + row * job->columns, job->columns, found);
    // A NaN's sign says nothing.
    raise_to(&job->magnitude_sum, fabsf(found[0]));
    raise_to(&job->square_sum, fabsf(found[1]));
    raise_to(&job->magnitude, fabsf(found[2]));
  }
}

void gyro_row_extremes_of(const float *a, int64_t rows, int64_t columns,
                          struct gyro_row_extremes *result) {
  Extremes job = {a, columns, 0, 0, 0};
  gyro_parallel_for(rows, 1 + grain / (columns + 1), extremes_body, &job);
  result->magnitude_sum = gyro_from_bits(job.magnitude_sum);
  result->square_sum = gyro_from_bits(job.square_sum);
  result->magnitude = gyro_from_bits(job.magnitude);
}

void gyro_reference_row_extremes_of(const float *a, int64_t rows, int64_t columns,
                                    struct gyro_row_extremes *result) {
  double largest[3] = {0, 0, 0};
  for (int64_t row = 0; row < rows; row++) {
    double found[3] = {0, 0, 0};
    for (int64_t column = 0; column < columns; column++) {
      double x = fabs((double)a[row * columns + column]);
      found[0] += x;
      found[1] += x * x;
      if (!(x <= found[2])) found[2] = x;
    }
    for (int part = 0; part < 3; part++)
      if (!(found[part] <= largest[part])) largest[part] = found[part];
  }
  result->magnitude_sum = (float)largest[0];
  result->square_sum = (float)largest[1];
  result->magnitude = (float)largest[2];
}
