#include "convolution.h"
#include "gyro_parallel.h"
#include "row_products.h"

// One channel per group: every plane is weighed by its own few taps, so the work is a handful of
// multiply-adds per element and the planes are better handled one at a time.

enum { block_extent = 2048 };

typedef struct {
  const struct correlation *correlation;
  const float *gradient;
  float *weight_gradient;
  char *scratch;
  int64_t scratch_per_thread;
} Job;

static int64_t flat_bytes(const struct flat_planes *p) {
  return gyro_round_up(p->phases_y * p->phases_x * p->plane * 4, 64);
}

static int64_t tap_bytes(const struct flat_planes *p) {
  return gyro_round_up(p->kernel_height * p->kernel_width * 8, 64);
}

static int64_t plan(struct correlation *c) {
  flat_planes_plan(&c->planes, block_extent, 1);
  return flat_bytes(&c->planes) + gyro_round_up(c->planes.result_plane * 4, 64) +
         2 * tap_bytes(&c->planes);
}

int64_t gyro_depthwise_scratch(struct correlation *c) { return gyro_thread_count() * plan(c); }

static void list_shifts(const struct flat_planes *p, int64_t *shifts) {
  for (int64_t y = 0; y < p->kernel_height; y++)
    for (int64_t x = 0; x < p->kernel_width; x++) *shifts++ = flat_planes_shift(p, 0, y, x);
}

static void run_planes(void *context, int64_t begin, int64_t end, int thread) {
  const Job *job = context;
  const struct correlation *c = job->correlation;
  const struct flat_planes *p = &c->planes;
  char *scratch = job->scratch + thread * job->scratch_per_thread;
  float *flat = gyro_carve(&scratch, flat_bytes(p));
  float *results = gyro_carve(&scratch, p->result_plane * 4);
  int64_t *shifts = gyro_carve(&scratch, tap_bytes(p));
  float *weights = gyro_carve(&scratch, tap_bytes(p));
  list_shifts(p, shifts);
  for (int64_t index = begin; index < end; index++) {
    int64_t channel = index % c->groups;
    struct flat_block block = flat_planes_block(p, index / c->groups);
    float *tap = weights;
    for (int64_t y = 0; y < p->kernel_height; y++)
      for (int64_t x = 0; x < p->kernel_width; x++)
        *tap++ = c->weight[channel * c->weight_group +
                           (c->first_y + y * c->step_y) * c->weight_row + c->first_x +
                           x * c->step_x];
    flat_planes_fill(p, &block, c->source + channel * c->source_group, c->source_image, 1, flat);
    gyro_combine_rows(weights, shifts, p->kernel_height * p->kernel_width, flat,
                      c->bias ? c->bias[channel] : 0, gyro_round_up(block.extent, 16), results);
    struct flat_results target = c->results;
    target.data += channel * c->results_group + c->results_offset;
    flat_planes_store(p, &block, results, 1, &target);
  }
}

void gyro_run_depthwise(struct correlation *c, void *scratch) {
  Job job = {.correlation = c, .scratch = scratch, .scratch_per_thread = plan(c)};
  gyro_parallel_for_dynamic(c->planes.blocks * c->groups, 8, run_planes, &job);
}

int64_t gyro_depthwise_weight_scratch(const struct gyro_convolution *shape) {
  struct correlation c = gyro_forward_correlation(shape);
  return gyro_thread_count() * plan(&c);
}

static void weigh_channels(void *context, int64_t begin, int64_t end, int thread) {
  const Job *job = context;
  const struct correlation *c = job->correlation;
  const struct flat_planes *p = &c->planes;
  char *scratch = job->scratch + thread * job->scratch_per_thread;
  float *flat = gyro_carve(&scratch, flat_bytes(p));
  float *gradient = gyro_carve(&scratch, p->result_plane * 4);
  int64_t *shifts = gyro_carve(&scratch, tap_bytes(p));
  float *sums = gyro_carve(&scratch, tap_bytes(p));
  int64_t taps = p->kernel_height * p->kernel_width;
  list_shifts(p, shifts);
  for (int64_t channel = begin; channel < end; channel++) {
    float *total = job->weight_gradient + channel * taps;
    for (int64_t t = 0; t < taps; t++) total[t] = 0;
    for (int64_t index = 0; index < p->blocks; index++) {
      struct flat_block block = flat_planes_block(p, index);
      flat_planes_fill(p, &block, c->source + channel * c->source_group, c->source_image, 1,
                       flat);
      flat_planes_fill_results(p, &block, job->gradient + channel * c->results_group,
                               c->results.image_stride, 1, gradient);
      gyro_correlate_row(gradient, flat, shifts, taps, gyro_round_up(block.extent, 16), sums);
      for (int64_t t = 0; t < taps; t++) total[t] += sums[t];
    }
  }
}

void gyro_depthwise_weight_gradient(const struct gyro_convolution *shape, const float *input,
                                    const float *gradient, float *weight_gradient,
                                    void *scratch) {
  struct correlation c = gyro_forward_correlation(shape);
  c.source = input;
  Job job = {.correlation = &c, .gradient = gradient, .weight_gradient = weight_gradient,
             .scratch = scratch, .scratch_per_thread = plan(&c)};
  if (shape->images == 0) c.planes.blocks = 0;
  gyro_parallel_for_dynamic(c.groups, 1, weigh_channels, &job);
}
