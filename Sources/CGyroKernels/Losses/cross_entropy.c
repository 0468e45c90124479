#include "gyro_cross_entropy.h"

#include <math.h>

#include "gyro_clones.h"
#include "gyro_math.h"
#include "gyro_parallel.h"
#include "gyro_reduce.h"
#include "softmax_rows.h"

#pragma STDC FP_CONTRACT OFF

enum { grain = 4096 };

typedef struct {
  const float *logits;
  const int32_t *targets;
  int64_t columns;
  int32_t ignored;
  float smoothing, scale;
  float *log_sum_exp;
  const float *known_log_sum_exp;
  double *losses;
  float *destination;
} Entropy;

static void forward_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Entropy *job = context;
  for (int64_t row = begin; row < end; row++) {
    if (job->targets[row] == job->ignored) {
      job->log_sum_exp[row] = 0;
      job->losses[row] = 0;
      continue;
    }
    const float *x = job->logits + row * job->columns;
    float maximum = gyro_row_maximum(x, job->columns);
    double rest = log(gyro_row_exp_sum(x, job->columns, maximum, 1.0f));
    double loss = rest + ((double)maximum - x[job->targets[row]]);
    if (job->smoothing != 0) {
      double mean = gyro_sum(x, job->columns) / (double)job->columns;
      loss += job->smoothing * (x[job->targets[row]] - mean);
    }
    job->log_sum_exp[row] = (float)(maximum + rest);
    job->losses[row] = loss;
  }
}

void gyro_cross_entropy(const float *logits, const int32_t *targets, int64_t rows,
                        int64_t columns, int32_t ignored, float smoothing, float *log_sum_exp,
                        double *losses) {
  Entropy job = {.logits = logits,
                 .targets = targets,
                 .columns = columns,
                 .ignored = ignored,
                 .smoothing = smoothing,
                 .log_sum_exp = log_sum_exp,
                 .losses = losses};
  gyro_parallel_for(rows, 1 + grain / (columns + 1), forward_body, &job);
}

/// destination = e^(x − log_sum_exp) · scale − floor.
GYRO_CLONES
static void gradient_row(const float *x, int64_t count, float log_sum_exp, float scale,
                         float floor, float *destination) {
  GYRO_ELEMENTWISE
  for (int64_t i = 0; i < count; i++)
    destination[i] = gyro_exp_nonpositive(x[i] - log_sum_exp) * scale - floor;
}

static void gradient_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Entropy *job = context;
  float floor = job->scale * (job->smoothing / (float)job->columns);
  for (int64_t row = begin; row < end; row++) {
    float *destination = job->destination + row * job->columns;
    if (job->targets[row] == job->ignored) {
      memset(destination, 0, (size_t)job->columns * sizeof(float));
      continue;
    }
    gradient_row(job->logits + row * job->columns, job->columns, job->known_log_sum_exp[row],
                 job->scale, floor, destination);
    destination[job->targets[row]] -= job->scale * (1.0f - job->smoothing);
  }
}

void gyro_cross_entropy_gradient(const float *logits, const int32_t *targets,
                                 const float *log_sum_exp, int64_t rows, int64_t columns,
                                 int32_t ignored, float smoothing, float scale,
                                 float *destination) {
  Entropy job = {.logits = logits,
                 .targets = targets,
                 .columns = columns,
                 .ignored = ignored,
                 .smoothing = smoothing,
                 .scale = scale,
                 .known_log_sum_exp = log_sum_exp,
                 .destination = destination};
  gyro_parallel_for(rows, 1 + grain / (columns + 1), gradient_body, &job);
}
