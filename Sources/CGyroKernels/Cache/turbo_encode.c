#include <math.h>

#include "gyro_cache_turbo.h"
#include "gyro_clones.h"
#include "gyro_parallel.h"
#include "cache_half.h"

#pragma STDC FP_CONTRACT OFF

enum { rotated_rows = 4 };

typedef struct {
  const float *x, *matrix;
  float *y;
  int64_t inner, outer;
} Rotation;

/// A few rows at once, so that the matrix is read once for them.
GYRO_CLONES
static void rotate_few(const float *restrict x, int64_t rows, int64_t inner,
                       const float *restrict matrix, int64_t outer, float *restrict y) {
  int64_t column = 0;
  for (; column + 16 <= outer; column += 16) {
    gyro_lanes sum[rotated_rows] = {{0}}, m;
    if (rows == rotated_rows) {
      for (int64_t i = 0; i < inner; i++) {
        GYRO_LOAD(m, matrix + i * outer + column);
        for (int r = 0; r < rotated_rows; r++) sum[r] += x[r * inner + i] * m;
      }
      for (int r = 0; r < rotated_rows; r++) GYRO_STORE(y + r * outer + column, sum[r]);
    } else {
      for (int64_t r = 0; r < rows; r++) {
        gyro_lanes one = {0};
        for (int64_t i = 0; i < inner; i++) {
          GYRO_LOAD(m, matrix + i * outer + column);
          one += x[r * inner + i] * m;
        }
        GYRO_STORE(y + r * outer + column, one);
      }
    }
  }
  for (; column < outer; column++)
    for (int64_t r = 0; r < rows; r++) {
      float sum = 0;
      for (int64_t i = 0; i < inner; i++) sum += x[r * inner + i] * matrix[i * outer + column];
      y[r * outer + column] = sum;
    }
}

static void rotate_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Rotation *job = context;
  for (int64_t row = begin; row < end; row += rotated_rows)
    rotate_few(job->x + row * job->inner, end - row < rotated_rows ? end - row : rotated_rows,
               job->inner, job->matrix, job->outer, job->y + row * job->outer);
}

void gyro_cache_rotate(const float *x, int64_t rows, int64_t inner, const float *matrix,
                       int64_t outer, float *y) {
  Rotation job = {x, matrix, y, inner, outer};
  gyro_parallel_for(rows, 1 + 65536 / (inner * outer + 1), rotate_part, &job);
}

/// ‖x‖, squares summed in 16 lanes and a tree.
GYRO_INLINE float norm_of(const float *x, int64_t width) {
  float lanes[16] = {0}, sum;
  int64_t i = 0;
  for (; i + 16 <= width; i += 16)
    for (int lane = 0; lane < 16; lane++) lanes[lane] += x[i + lane] * x[i + lane];
  for (int lane = 0; i + lane < width; lane++) lanes[lane] += x[i + lane] * x[i + lane];
  GYRO_TREE_SUM(sum, lanes);
  return sqrtf(sum);
}

typedef struct {
  const float *x, *thresholds, *levels, *sketch;
  uint8_t *codes;
  uint16_t *norms;
  float *residual;
  int32_t width, count;
} Encoding;

GYRO_CLONES
static void encode_row(const float *restrict x, int32_t width, float inverse, float stored,
                       const float *restrict thresholds, int32_t count,
                       const float *restrict levels, uint8_t *restrict codes,
                       float *restrict residual) {
  for (int32_t i = 0; i < width; i++) codes[i] = 0;
  for (int32_t k = 0; k < count; k++) {
    const float threshold = thresholds[k];
    for (int32_t i = 0; i < width; i++) codes[i] += x[i] * inverse > threshold;
  }
  if (residual)
    for (int32_t i = 0; i < width; i++) residual[i] = x[i] - stored * levels[codes[i]];
}

static void encode_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Encoding *job = context;
  for (int64_t row = begin; row < end; row++) {
    const float *x = job->x + row * job->width;
    const float norm = norm_of(x, job->width);
    job->norms[row] = float_to_half(norm);
    encode_row(x, job->width, norm > 0 ? 1 / norm : 0, half_to_float(job->norms[row]),
               job->thresholds, job->count, job->levels, job->codes + row * job->width,
               job->residual ? job->residual + row * job->width : NULL);
  }
}

void gyro_turbo_encode(const float *x, int64_t rows, int32_t width, const float *thresholds,
                       int32_t count, const float *levels, uint8_t *codes, uint16_t *norms,
                       float *residual) {
  Encoding job = {.x = x, .thresholds = thresholds, .levels = levels, .codes = codes,
                  .norms = norms, .residual = residual, .width = width, .count = count};
  gyro_parallel_for(rows, 1 + 8192 / width, encode_part, &job);
}

void gyro_reference_turbo_encode(const float *x, int64_t rows, int32_t width,
                                 const float *thresholds, int32_t count, const float *levels,
                                 uint8_t *codes, uint16_t *norms, float *residual) {
  for (int64_t row = 0; row < rows; row++, x += width) {
    const float norm = norm_of(x, width), inverse = norm > 0 ? 1 / norm : 0;
    norms[row] = float_to_half(norm);
    for (int32_t i = 0; i < width; i++) {
      uint8_t code = 0;
      while (code < count && x[i] * inverse > thresholds[code]) code++;
      codes[row * width + i] = code;
      if (residual)
        residual[row * width + i] = x[i] - half_to_float(norms[row]) * levels[code];
    }
  }
}

static void sign_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Encoding *job = context;
  for (int64_t row = begin; row < end; row++) {
    job->norms[row] = float_to_half(norm_of(job->x + row * job->width, job->width));
    for (int64_t i = row * job->width; i < (row + 1) * job->width; i++)
      job->codes[i] = job->sketch[i] > 0;
  }
}

void gyro_turbo_signs(const float *sketch, const float *residual, int64_t rows, int32_t width,
                      uint8_t *codes, uint16_t *norms) {
  Encoding job = {
      .x = residual, .sketch = sketch, .codes = codes, .norms = norms, .width = width};
  gyro_parallel_for(rows, 1 + 8192 / width, sign_part, &job);
}

int64_t gyro_cache_long_row(const float *x, int64_t rows, int64_t width, float limit,
                            float *norm) {
  for (int64_t row = 0; row < rows; row++) {
    *norm = norm_of(x + row * width, width);
    if (!(*norm <= limit)) return row;
  }
  return -1;
}
