#include <math.h>

#include "gyro_clones.h"
#include "gyro_lanes.h"
#include "gyro_normalization.h"
#include "gyro_parallel.h"

#pragma STDC FP_CONTRACT OFF

typedef struct {
  const float *x, *weight, *inverse, *y_gradient;
  float *y, *inverse_out, *x_gradient, *partial;
  int64_t columns;
  float epsilon;
} RMSNorm;

GYRO_CLONES
static float sum_of_squares(const float *x, int64_t count) {
  gyro_lanes sum = {0}, a;
  int64_t i = 0;
  for (; i + gyro_lane_count <= count; i += gyro_lane_count) {
    GYRO_LOAD(a, x + i);
    sum += a * a;
  }
  float total;
  GYRO_TREE_SUM(total, sum);
  for (; i < count; i++) total += x[i] * x[i];
  return total;
}

GYRO_CLONES
static void scale_row(const float *restrict x, const float *restrict weight, int64_t count,
                      float inverse, float *restrict y) {
  for (int64_t i = 0; i < count; i++) y[i] = x[i] * inverse * weight[i];
}

static void normalize_rows(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const RMSNorm *job = context;
  const int64_t columns = job->columns;
  for (int64_t row = begin; row < end; row++) {
    const float *x = job->x + row * columns;
    const float mean = sum_of_squares(x, columns) / (float)columns;
    const float inverse = 1.0f / sqrtf(mean + job->epsilon);
    job->inverse_out[row] = inverse;
    scale_row(x, job->weight, columns, inverse, job->y + row * columns);
  }
}

void gyro_rms_norm(const float *x, const float *weight, int64_t rows, int64_t columns,
                   float epsilon, float *y, float *inverse) {
  RMSNorm job = {.x = x, .weight = weight, .y = y, .inverse_out = inverse, .columns = columns,
                 .epsilon = epsilon};
  gyro_parallel_for(rows, 1 + 16384 / (columns + 1), normalize_rows, &job);
}

/// Σ x · weight · gradient.
GYRO_CLONES
static float weighted_overlap(const float *x, const float *weight, const float *gradient,
                              int64_t count) {
  gyro_lanes sum = {0}, a, b, c;
  int64_t i = 0;
  for (; i + gyro_lane_count <= count; i += gyro_lane_count) {
    GYRO_LOAD(a, x + i);
    GYRO_LOAD(b, weight + i);
    GYRO_LOAD(c, gradient + i);
    sum += a * (b * c);
  }
  float total;
  GYRO_TREE_SUM(total, sum);
  for (; i < count; i++) total += x[i] * (weight[i] * gradient[i]);
  return total;
}

GYRO_CLONES
static void differentiate_row(const float *restrict x, const float *restrict weight,
                              const float *restrict gradient, int64_t count, float inverse,
                              float projection, float *restrict x_gradient) {
  for (int64_t i = 0; i < count; i++)
    x_gradient[i] = inverse * (weight[i] * gradient[i] - x[i] * projection);
}

GYRO_CLONES
static void add_weight_row(const float *restrict x, const float *restrict gradient, int64_t count,
                           float inverse, float *restrict sum) {
  for (int64_t i = 0; i < count; i++) sum[i] += gradient[i] * (x[i] * inverse);
}

static void differentiate_rows(void *context, int64_t begin, int64_t end, int thread) {
  const RMSNorm *job = context;
  const int64_t columns = job->columns;
  float *partial = job->partial ? job->partial + thread * columns : NULL;
  for (int64_t row = begin; row < end; row++) {
    const float *x = job->x + row * columns, *gradient = job->y_gradient + row * columns;
    const float inverse = job->inverse[row];
    if (job->x_gradient) {
      const float overlap = weighted_overlap(x, job->weight, gradient, columns);
      differentiate_row(x, job->weight, gradient, columns, inverse,
                        overlap * inverse * inverse / (float)columns,
                        job->x_gradient + row * columns);
    }
    if (partial) add_weight_row(x, gradient, columns, inverse, partial);
  }
}

void gyro_rms_norm_backward(const float *x, const float *weight, const float *inverse,
                            const float *y_gradient, int64_t rows, int64_t columns,
                            float *x_gradient, float *weight_gradient, float *partial) {
  const int64_t threads = gyro_thread_count();
  RMSNorm job = {.x = x, .weight = weight, .inverse = inverse, .y_gradient = y_gradient,
                 .x_gradient = x_gradient, .partial = weight_gradient ? partial : NULL,
                 .columns = columns};
  if (weight_gradient) memset(partial, 0, (size_t)(threads * columns) * sizeof(float));
  gyro_parallel_for(rows, 1 + 16384 / (columns + 1), differentiate_rows, &job);
  if (!weight_gradient) return;
  memcpy(weight_gradient, partial, (size_t)columns * sizeof(float));
  for (int64_t thread = 1; thread < threads; thread++)
    for (int64_t i = 0; i < columns; i++) weight_gradient[i] += partial[thread * columns + i];
}
