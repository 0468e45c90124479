#include <stdlib.h>

#include "gyro_clones.h"
#include "gyro_hadamard.h"
#include "gyro_lanes.h"
#include "gyro_parallel.h"
#include "hadamard.h"

// Factors of a Kronecker product commute, so Sylvester's part goes first: it reads the input and
// multiplies by the signs on the way. Everything else happens in place, while the row is in cache.

enum { batch_length = 4096 };

typedef struct {
  const gyro_hadamard_plan *plan;
  const float *x;
  float *y;
  int64_t size;
  int transposed;
} Transform;

int64_t gyro_hadamard_size(const gyro_hadamard_plan *plan) {
  int64_t size = plan->blocks * plan->power * plan->dense_order;
  for (int32_t core = 0; core < plan->core_count; core++) size *= plan->orders[core];
  return size;
}

GYRO_CLONES
static void multiply(float *y, const float *factors, int64_t count) {
  for (int64_t i = 0; i < count; i++) y[i] *= factors[i];
}

/// The dense factors of `count` floats in place, from the innermost to the outermost.
static void dense_factors(const gyro_hadamard_plan *plan, float *y, int64_t count,
                          int transposed, float *scratch) {
  int64_t inner = plan->power;
  if (plan->dense_order > 1) {
    const int64_t outer = count / (inner * plan->dense_order);
    gyro_dense_items(y, outer, plan->dense_order, inner, plan->dense, scratch);
    inner *= plan->dense_order;
  }
  const uint8_t *codes = plan->codes;
  for (int32_t core = 0; core < plan->core_count; core++)
    codes += (int64_t)plan->orders[core] * plan->orders[core] / 2;
  for (int32_t core = plan->core_count - 1; core >= 0; core--) {
    const int64_t order = plan->orders[core], half = order * order / 4;
    codes -= 2 * half;
    gyro_core_items(y, count / (inner * order), (int32_t)order, inner,
                    codes + (transposed ? half : 0), scratch);
    inner *= order;
  }
}

static void transform_rows(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Transform *job = context;
  const gyro_hadamard_plan *plan = job->plan;
  const int64_t size = job->size;
  const float *before = job->transposed ? NULL : plan->factors;
  const float scale = plan->factors ? 1 : plan->scale;
  int32_t largest = plan->dense_order > 1 ? plan->dense_order : 0;
  for (int32_t core = 0; core < plan->core_count; core++)
    if (plan->orders[core] > largest) largest = plan->orders[core];
  float *scratch = NULL;
  if (largest) {
    const size_t bytes = (size_t)gyro_core_scratch(largest) * sizeof(float);
    scratch = aligned_alloc(64, bytes);
    if (!scratch) abort();
  }
  const int64_t batch = size < batch_length ? batch_length / size : 1;
  for (int64_t row = begin; row < end; row += batch) {
    const int64_t rows = end - row < batch ? end - row : batch;
    const float *x = job->x + row * size;
    float *y = job->y + row * size;
    if (before) {
      for (int64_t i = 0; i < rows; i++)
        gyro_walsh_runs(x + i * size, y + i * size, size, plan->power, before, 1);
    } else {
      gyro_walsh_runs(x, y, rows * size, plan->power, NULL, scale);
    }
    if (scratch) dense_factors(plan, y, rows * size, job->transposed, scratch);
    if (job->transposed && plan->factors)
      for (int64_t i = 0; i < rows; i++) multiply(y + i * size, plan->factors, size);
  }
  free(scratch);
}

void gyro_hadamard(const float *x, float *y, int64_t rows, const gyro_hadamard_plan *plan,
                   int transposed) {
  Transform job = {.plan = plan, .x = x, .y = y, .size = gyro_hadamard_size(plan),
                   .transposed = transposed};
  gyro_parallel_for(rows, 1 + 32768 / job.size, transform_rows, &job);
}
