#include "partial_sums.h"

#include "gyro_clones.h"
#include "gyro_parallel.h"

#pragma STDC FP_CONTRACT OFF

typedef struct {
  const float *partial;
  int64_t parts, count;
  float *result;
} Job;

GYRO_CLONES
static void add_row(const float *restrict source, int64_t count, float *restrict sum) {
  for (int64_t i = 0; i < count; i++) sum[i] += source[i];
}

static void add_range(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Job *job = context;
  for (int64_t part = 0; part < job->parts; part++)
    add_row(job->partial + part * job->count + begin, end - begin, job->result + begin);
}

void gyro_add_partial_sums(const float *partial, int64_t parts, int64_t count, float *result) {
  Job job = {partial, parts, count, result};
  gyro_parallel_for(count, 65536 / (parts + 1) + 1, add_range, &job);
}
