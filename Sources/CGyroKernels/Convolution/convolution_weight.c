#include <string.h>

#include "convolution.h"
#include "gyro_clones.h"
#include "gyro_parallel.h"
#include "row_products.h"

#pragma STDC FP_CONTRACT OFF

/// Long rows, because each sum of 16 lanes ends with a reduction; four of them fit the
/// first-level cache.
enum { block_extent = 2048 };

typedef struct {
  struct correlation correlation;
  const float *gradient;
  int64_t gradient_image, gradient_group;
  const int64_t *shifts;  // [depth rounded up to 6]
  int64_t depth, filters; // filters: rounded up to 4
  float *partial;         // [threads][groups · filters · depth]
  int64_t partial_size;
  char *scratch;
  int64_t flat_bytes, scratch_per_thread;
} Job;

static void plan(Job *job, const struct gyro_convolution *shape) {
  job->correlation = gyro_forward_correlation(shape);
  struct correlation *c = &job->correlation;
  struct flat_planes *p = &c->planes;
  flat_planes_plan(p, block_extent, c->channels * p->stride_y * p->stride_x + c->filters);
  job->depth = c->channels * p->kernel_height * p->kernel_width;
  job->filters = gyro_round_up(c->filters, correlation_rows);
  job->partial_size = gyro_round_up(c->groups * c->filters * job->depth, 16);
  job->flat_bytes = gyro_round_up(c->channels * p->phases_y * p->phases_x * p->plane * 4, 64);
  job->scratch_per_thread =
      job->flat_bytes + gyro_round_up(job->filters * p->result_plane * 4, 64);
}

static int64_t shift_bytes(const Job *job) {
  return gyro_round_up((job->depth + correlation_taps) * 8, 64);
}

int64_t gyro_weight_gradient_scratch(const struct gyro_convolution *shape) {
  Job job;
  plan(&job, shape);
  return shift_bytes(&job) +
         gyro_thread_count() * (job.partial_size * 4 + job.scratch_per_thread);
}

static void add_block(const Job *job, const struct flat_block *block, int64_t group, float *flat,
                      float *gradient, float *partial) {
  const struct correlation *c = &job->correlation;
  flat_planes_fill(&c->planes, block, c->source + group * c->source_group, c->source_image,
                   c->channels, flat);
  flat_planes_fill_results(&c->planes, block, job->gradient + group * job->gradient_group,
                           job->gradient_image, c->filters, gradient);
  int64_t extent = gyro_round_up(block->extent, 16);
  float sums[correlation_rows][correlation_taps];
  for (int64_t filter = 0; filter < job->filters; filter += correlation_rows)
    for (int64_t k = 0; k < job->depth; k += correlation_taps) {
      gyro_correlate_rows(gradient + filter * c->planes.result_plane, c->planes.result_plane,
                          flat, job->shifts + k, extent, sums);
      for (int64_t r = 0; r < correlation_rows && filter + r < c->filters; r++)
        for (int64_t t = 0; t < correlation_taps && k + t < job->depth; t++)
          partial[(filter + r) * job->depth + k + t] += sums[r][t];
    }
}

static void run_blocks(void *context, int64_t begin, int64_t end, int thread) {
  const Job *job = context;
  const struct correlation *c = &job->correlation;
  char *scratch = job->scratch + thread * job->scratch_per_thread;
  float *flat = gyro_carve(&scratch, job->flat_bytes), *gradient = (float *)scratch;
  float *partial = job->partial + thread * job->partial_size;
  // Rows of filters that do not exist.
  memset(gradient, 0, (size_t)(job->filters * c->planes.result_plane * 4));
  for (int64_t index = begin; index < end; index++) {
    struct flat_block block = flat_planes_block(&c->planes, index / c->groups);
    int64_t group = index % c->groups;
    add_block(job, &block, group, flat, gradient,
              partial + group * c->filters * job->depth);
  }
}

GYRO_CLONES
static void add_partials(const float *partial, int64_t size, int64_t threads, int64_t count,
                         float *sum) {
  memcpy(sum, partial, (size_t)count * sizeof(float));
  for (int64_t thread = 1; thread < threads; thread++)
    for (int64_t i = 0; i < count; i++) sum[i] += partial[thread * size + i];
}

void gyro_convolution_weight_gradient(const struct gyro_convolution *shape, const float *input,
                                      const float *gradient, float *weight_gradient,
                                      void *memory) {
  if (gyro_is_depthwise(shape)) {
    gyro_depthwise_weight_gradient(shape, input, gradient, weight_gradient, memory);
    return;
  }
  Job job;
  plan(&job, shape);
  struct correlation *c = &job.correlation;
  c->source = input;
  job.gradient = gradient;
  job.gradient_image = c->results.image_stride;
  job.gradient_group = c->results_group;
  char *scratch = memory;
  int64_t *shifts = gyro_carve(&scratch, shift_bytes(&job)), *shift = shifts;
  for (int64_t channel = 0; channel < c->channels; channel++)
    for (int64_t y = 0; y < c->planes.kernel_height; y++)
      for (int64_t x = 0; x < c->planes.kernel_width; x++)
        *shift++ = flat_planes_shift(&c->planes, channel, y, x);
  for (int t = 0; t < correlation_taps; t++) *shift++ = 0;
  job.shifts = shifts;
  int64_t threads = gyro_thread_count();
  job.partial = gyro_carve(&scratch, threads * job.partial_size * 4);
  job.scratch = scratch;
  memset(job.partial, 0, (size_t)(threads * job.partial_size * 4));
  if (shape->images > 0) gyro_parallel_for(c->planes.blocks * c->groups, 1, run_blocks, &job);
  add_partials(job.partial, job.partial_size, threads, c->groups * c->filters * job.depth,
               weight_gradient);
}
