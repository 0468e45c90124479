#include "gyro_softmax.h"

#include <math.h>

#include "gyro_clones.h"
#include "gyro_math.h"
#include "gyro_parallel.h"
#include "softmax_rows.h"

#pragma STDC FP_CONTRACT OFF

enum { grain = 4096 };

GYRO_CLONES
float gyro_row_maximum(const float *x, int64_t count) {
  float best[gyro_lane_count];
  for (int lane = 0; lane < gyro_lane_count; lane++) best[lane] = -__builtin_inff();
  int64_t i = 0;
  for (; i + gyro_lane_count <= count; i += gyro_lane_count)
    for (int lane = 0; lane < gyro_lane_count; lane++)
      best[lane] = x[i + lane] > best[lane] ? x[i + lane] : best[lane];
  for (; i < count; i++) best[0] = x[i] > best[0] ? x[i] : best[0];
  for (int lane = 1; lane < gyro_lane_count; lane++)
    best[0] = best[lane] > best[0] ? best[lane] : best[0];
  return best[0];
}

GYRO_CLONES
double gyro_row_exp_sum(const float *x, int64_t count, float maximum, float factor) {
  double sum;
  GYRO_BLOCK_SUM(sum, count, first, length, terms, {
    for (int64_t j = 0; j < length; j++)
      terms[j] = gyro_exp_nonpositive((x[first + j] - maximum) * factor);
  });
  return sum;
}

typedef struct {
  const float *x, *cotangent;
  int64_t columns;
  float factor;
  float *destination;
} Rows;

/// destination = e^(x − maximum), not yet divided; the sum in 16 lanes.
GYRO_CLONES
static float exp_row(const float *x, int64_t count, float maximum, float *destination) {
  GYRO_ELEMENTWISE
  for (int64_t i = 0; i < count; i++) destination[i] = gyro_exp_nonpositive(x[i] - maximum);
  gyro_lanes total = {0};
  int64_t i = 0;
  for (; i + gyro_lane_count <= count; i += gyro_lane_count) {
    gyro_lanes v;
    GYRO_LOAD(v, destination + i);
    total += v;
  }
  if (i < count) {
    gyro_lanes v = {0};
    memcpy(&v, destination + i, (size_t)(count - i) * sizeof(float));
    total += v;
  }
  float sum;
  GYRO_TREE_SUM(sum, total);
  return sum;
}

GYRO_CLONES
static void scale_row(float *x, int64_t count, float factor) {
  for (int64_t i = 0; i < count; i++) x[i] *= factor;
}

static void softmax_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Rows *job = context;
  for (int64_t row = begin; row < end; row++) {
    const float *x = job->x + row * job->columns;
    float *y = job->destination + row * job->columns;
    float sum = exp_row(x, job->columns, gyro_row_maximum(x, job->columns), y);
    scale_row(y, job->columns, 1.0f / sum);
  }
}

void gyro_softmax_rows(const float *x, int64_t rows, int64_t columns, float *destination) {
  Rows job = {.x = x, .columns = columns, .destination = destination};
  gyro_parallel_for(rows, 1 + grain / (columns + 1), softmax_body, &job);
}

GYRO_CLONES
static void softmax_gradient_row(const float *y, const float *dy, int64_t count,
                                 float *destination) {
  gyro_lanes total = {0};
  int64_t i = 0;
  for (; i + gyro_lane_count <= count; i += gyro_lane_count) {
    gyro_lanes v, w;
    GYRO_LOAD(v, y + i);
    GYRO_LOAD(w, dy + i);
    total += v * w;
  }
  if (i < count) {
    gyro_lanes v = {0}, w = {0};
    memcpy(&v, y + i, (size_t)(count - i) * sizeof(float));
    memcpy(&w, dy + i, (size_t)(count - i) * sizeof(float));
    total += v * w;
  }
  float dot;
  GYRO_TREE_SUM(dot, total);
  GYRO_ELEMENTWISE
  for (int64_t j = 0; j < count; j++) destination[j] = y[j] * (dy[j] - dot);
}

static void softmax_gradient_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Rows *job = context;
  for (int64_t row = begin; row < end; row++) {
    int64_t place = row * job->columns;
    softmax_gradient_row(job->x + place, job->cotangent + place, job->columns,
                         job->destination + place);
  }
}

void gyro_softmax_rows_gradient(const float *y, const float *cotangent, int64_t rows,
                                int64_t columns, float *destination) {
  Rows job = {.x = y, .cotangent = cotangent, .columns = columns, .destination = destination};
  gyro_parallel_for(rows, 1 + 2 * grain / (columns + 1), softmax_gradient_body, &job);
}

static void log_sum_exp_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Rows *job = context;
  for (int64_t row = begin; row < end; row++) {
    const float *x = job->x + row * job->columns;
    float maximum = gyro_row_maximum(x, job->columns);
    double sum = gyro_row_exp_sum(x, job->columns, maximum, job->factor);
    job->destination[row] = (float)((double)maximum * job->factor + log(sum));
  }
}

void gyro_log_sum_exp_rows(const float *x, int64_t rows, int64_t columns, float factor,
                           float *destination) {
  Rows job = {.x = x, .columns = columns, .factor = factor, .destination = destination};
  gyro_parallel_for(rows, 1 + grain / (columns + 1), log_sum_exp_body, &job);
}
