#include "gyro_embedding.h"

#include <string.h>

#include "gyro_clones.h"
#include "gyro_lanes.h"
#include "gyro_parallel.h"

#pragma STDC FP_CONTRACT OFF

enum { grain = 16384 };

typedef struct {
  const float *source;
  int64_t rows, columns;
  const int32_t *ids;
  int64_t count;
  float *destination;
} Embedding;

static void gather_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Embedding *job = context;
  for (int64_t i = begin; i < end; i++)
    memcpy(job->destination + i * job->columns, job->source + job->ids[i] * job->columns,
           (size_t)job->columns * sizeof(float));
}

void gyro_embedding(const float *table, int64_t columns, const int32_t *ids, int64_t count,
                    float *destination) {
  Embedding job = {
      .source = table, .columns = columns, .ids = ids, .count = count, .destination = destination};
  gyro_parallel_for(count, 1 + grain / (columns + 1), gather_body, &job);
}

GYRO_CLONES
static void add_range(float *target, const float *source, int64_t count) {
  GYRO_ELEMENTWISE
  for (int64_t i = 0; i < count; i++) target[i] += source[i];
}

/// The range counts groups of 16 columns: one cache line, so that threads do not share any.
static void scatter_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Embedding *job = context;
  int64_t first = begin * gyro_lane_count, stop = end * gyro_lane_count;
  if (stop > job->columns) stop = job->columns;
  int64_t width = stop - first;
  if (width == job->columns)
    memset(job->destination, 0, (size_t)(job->rows * width) * sizeof(float));
  else
    for (int64_t row = 0; row < job->rows; row++)
      memset(job->destination + row * job->columns + first, 0, (size_t)width * sizeof(float));
  for (int64_t i = 0; i < job->count; i++)
    add_range(job->destination + job->ids[i] * job->columns + first,
              job->source + i * job->columns + first, width);
}

void gyro_embedding_gradient(const float *cotangent, int64_t rows, int64_t columns,
                             const int32_t *ids, int64_t count, float *destination) {
  Embedding job = {cotangent, rows, columns, ids, count, destination};
  int64_t groups = (columns + gyro_lane_count - 1) / gyro_lane_count;
  int64_t work = (rows + count) * gyro_lane_count;
  gyro_parallel_for(groups, 1 + grain / (work + 1), scatter_body, &job);
}
