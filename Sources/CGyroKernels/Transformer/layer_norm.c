#include <math.h>

#include "gyro_clones.h"
#include "gyro_lanes.h"
#include "gyro_normalization.h"
#include "gyro_parallel.h"

#pragma STDC FP_CONTRACT OFF

typedef struct {
  const float *x, *weight, *bias, *mean, *inverse, *y_gradient;
  float *y, *mean_out, *inverse_out, *x_gradient, *partial;
  int64_t columns;
  float epsilon;
} LayerNorm;

GYRO_CLONES
static float sum_of(const float *x, int64_t count) {
  gyro_lanes sum = {0}, a;
  int64_t i = 0;
  for (; i + gyro_lane_count <= count; i += gyro_lane_count) {
    GYRO_LOAD(a, x + i);
    sum += a;
  }
  float total;
  GYRO_TREE_SUM(total, sum);
  for (; i < count; i++) total += x[i];
  return total;
}

/// Σ (x − mean) and Σ (x − mean)²: a second pass over a row in the nearest cache, because
/// Σ x² − n · mean² cancels. The first sum is what rounding left in the mean.
GYRO_CLONES
static void centered_sums(const float *x, int64_t count, float mean, float *rest, float *squares) {
  gyro_lanes first = {0}, second = {0}, a;
  int64_t i = 0;
  for (; i + gyro_lane_count <= count; i += gyro_lane_count) {
    GYRO_LOAD(a, x + i);
    a -= mean;
    first += a;
    second += a * a;
  }
  GYRO_TREE_SUM(*rest, first);
  GYRO_TREE_SUM(*squares, second);
  for (; i < count; i++) {
    *rest += x[i] - mean;
    *squares += (x[i] - mean) * (x[i] - mean);
  }
}

GYRO_CLONES
static void scale_row(const float *restrict x, const float *restrict weight,
                      const float *restrict bias, int64_t count, float mean, float inverse,
                      float *restrict y) {
  for (int64_t i = 0; i < count; i++) y[i] = (x[i] - mean) * inverse * weight[i] + bias[i];
}

static void normalize_rows(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const LayerNorm *job = context;
  const int64_t columns = job->columns;
  for (int64_t row = begin; row < end; row++) {
    const float *x = job->x + row * columns;
    float mean = sum_of(x, columns) / (float)columns, rest, squares;
    centered_sums(x, columns, mean, &rest, &squares);
    rest /= (float)columns;
    mean += rest;
    float variance = squares / (float)columns - rest * rest;
    variance = variance > 0.0f || variance != variance ? variance : 0.0f;
    const float inverse = 1.0f / sqrtf(variance + job->epsilon);
    job->mean_out[row] = mean;
    job->inverse_out[row] = inverse;
    scale_row(x, job->weight, job->bias, columns, mean, inverse, job->y + row * columns);
  }
}

void gyro_layer_norm(const float *x, const float *weight, const float *bias, int64_t rows,
                     int64_t columns, float epsilon, float *y, float *mean, float *inverse) {
  LayerNorm job = {.x = x, .weight = weight, .bias = bias, .y = y, .mean_out = mean,
                   .inverse_out = inverse, .columns = columns, .epsilon = epsilon};
  gyro_parallel_for(rows, 1 + 16384 / (columns + 1), normalize_rows, &job);
}

/// Σ weight · gradient and Σ weight · gradient · (x − mean).
GYRO_CLONES
static void overlaps(const float *x, const float *weight, const float *gradient, int64_t count,
                     float mean, float *plain, float *centered) {
  gyro_lanes first = {0}, second = {0}, a, b, c;
  int64_t i = 0;
  for (; i + gyro_lane_count <= count; i += gyro_lane_count) {
    GYRO_LOAD(a, x + i);
    GYRO_LOAD(b, weight + i);
    GYRO_LOAD(c, gradient + i);
    b *= c;
    first += b;
    second += b * (a - mean);
  }
  float total, product;
  GYRO_TREE_SUM(total, first);
  GYRO_TREE_SUM(product, second);
  for (; i < count; i++) {
    total += weight[i] * gradient[i];
    product += weight[i] * gradient[i] * (x[i] - mean);
  }
  *plain = total;
  *centered = product;
}

GYRO_CLONES
static void differentiate_row(const float *restrict x, const float *restrict weight,
                              const float *restrict gradient, int64_t count, float mean,
                              float inverse, float shift, float projection,
                              float *restrict x_gradient) {
  for (int64_t i = 0; i < count; i++)
    x_gradient[i] = inverse * (weight[i] * gradient[i] - shift - (x[i] - mean) * projection);
}

GYRO_CLONES
static void add_rows(const float *restrict x, const float *restrict gradient, int64_t count,
                     float mean, float inverse, float *restrict weight_sum,
                     float *restrict bias_sum) {
  for (int64_t i = 0; i < count; i++) {
    weight_sum[i] += gradient[i] * ((x[i] - mean) * inverse);
    bias_sum[i] += gradient[i];
  }
}

static void differentiate_rows(void *context, int64_t begin, int64_t end, int thread) {
  const LayerNorm *job = context;
  const int64_t columns = job->columns;
  float *partial = job->partial ? job->partial + thread * 2 * columns : NULL;
  for (int64_t row = begin; row < end; row++) {
    const float *x = job->x + row * columns, *gradient = job->y_gradient + row * columns;
    const float mean = job->mean[row], inverse = job->inverse[row];
    if (job->x_gradient) {
      float plain, centered;
      overlaps(x, job->weight, gradient, columns, mean, &plain, &centered);
      differentiate_row(x, job->weight, gradient, columns, mean, inverse, plain / (float)columns,
                        centered * inverse * inverse / (float)columns,
                        job->x_gradient + row * columns);
    }
    if (partial) add_rows(x, gradient, columns, mean, inverse, partial, partial + columns);
  }
}

/// The threads' sums in the order of the threads.
static void combine(const float *partial, int64_t threads, int64_t columns, float *sum) {
  if (!sum) return;
  memcpy(sum, partial, (size_t)columns * sizeof(float));
  for (int64_t thread = 1; thread < threads; thread++)
    for (int64_t i = 0; i < columns; i++) sum[i] += partial[thread * 2 * columns + i];
}

void gyro_layer_norm_backward(const float *x, const float *weight, const float *mean,
                              const float *inverse, const float *y_gradient, int64_t rows,
                              int64_t columns, float *x_gradient, float *weight_gradient,
                              float *bias_gradient, float *partial) {
  const int64_t threads = gyro_thread_count();
  const int is_summed = weight_gradient || bias_gradient;
  LayerNorm job = {.x = x, .weight = weight, .mean = mean, .inverse = inverse,
                   .y_gradient = y_gradient, .x_gradient = x_gradient,
                   .partial = is_summed ? partial : NULL, .columns = columns};
  if (is_summed) memset(partial, 0, (size_t)(threads * 2 * columns) * sizeof(float));
  gyro_parallel_for(rows, 1 + 16384 / (columns + 1), differentiate_rows, &job);
  combine(partial, threads, columns, weight_gradient);
  combine(partial + columns, threads, columns, bias_gradient);
}
