#include "gyro_clones.h"
#include "gyro_gptq.h"
#include "gyro_lanes.h"
#include "gyro_parallel.h"

// The moves of a Hessian between its sums, the factorization and the column loop.

typedef struct {
  double *sums;
  const float *addend;
  int64_t size;
} Addition;

GYRO_CLONES
static void add_rows(const Addition *job, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; row++) {
    double *sums = job->sums + row * job->size;
    const float *addend = job->addend + row * job->size;
    GYRO_ELEMENTWISE
    for (int64_t column = 0; column <= row; column++) sums[column] += addend[column];
  }
}

static void addition_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  add_rows(context, begin, end);
}

void gyro_add_lower_triangle(double *sums, const float *addend, int64_t size) {
  Addition job = {sums, addend, size};
  gyro_parallel_for_dynamic(size, 32, addition_part, &job);
}

typedef struct {
  const double *sums;
  const int64_t *order;
  int64_t size;
  double factor, damping, *target;
} Reversal;

static void reversal_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Reversal *job = context;
  int64_t size = job->size;
  for (int64_t row = begin; row < end; row++) {
    int64_t from = size - 1 - row, i = job->order ? job->order[from] : from;
    double *target = job->target + row * size;
    for (int64_t column = 0; column < size; column++) {
      int64_t other = size - 1 - column, j = job->order ? job->order[other] : other;
      double sum = i >= j ? job->sums[i * size + j] : job->sums[j * size + i];
      target[column] = job->factor * sum;
    }
    target[row] += job->damping;
  }
}

void gyro_reversed_symmetric(const double *sums, const int64_t *order, int64_t size, double factor,
                             double damping, double *target) {
  Reversal job = {sums, order, size, factor, damping, target};
  gyro_parallel_for_dynamic(size, 16, reversal_part, &job);
}

typedef struct {
  const double *source;
  int64_t size;
  float *target;
} Triangle;

static void triangle_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Triangle *job = context;
  int64_t size = job->size;
  for (int64_t row = begin; row < end; row++) {
    const double *source = job->source + (size - 1 - row) * size + size - 1;
    float *target = job->target + row * size;
    memset(target, 0, (size_t)row * sizeof(float));
    for (int64_t column = row; column < size; column++) target[column] = (float)source[-column];
  }
}

void gyro_reversed_upper(const double *source, int64_t size, float *target) {
  Triangle job = {source, size, target};
  gyro_parallel_for_dynamic(size, 32, triangle_part, &job);
}
