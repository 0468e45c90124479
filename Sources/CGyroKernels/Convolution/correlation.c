#include "convolution.h"
#include "gyro_parallel.h"
#include "row_products.h"

/// Results of a block: a multiple of the 48 results of a kernel call, few enough that the planes
/// of a layer stay in the second-level cache.
enum { block_extent = 1536 };

typedef struct {
  const struct correlation *correlation;
  const float *weights;  // [groups][filters / 8][depth][8]
  const float *start;    // [groups][filters rounded up to 8]
  const int64_t *shifts; // [depth]
  int64_t depth, filters;
  char *scratch;
  int64_t scratch_per_thread;
} Job;

static int64_t depth_of(const struct correlation *c) {
  return c->channels * c->planes.kernel_height * c->planes.kernel_width;
}

static int64_t flat_bytes(const struct correlation *c) {
  return gyro_round_up(
      c->channels * c->planes.phases_y * c->planes.phases_x * c->planes.plane * 4, 64);
}

static int64_t bytes_per_thread(const struct correlation *c) {
  int64_t filters = gyro_round_up(c->filters, row_product_rows);
  return flat_bytes(c) + gyro_round_up(filters * c->planes.result_plane * 4, 64);
}

static void plan(struct correlation *c) {
  int64_t phases = c->planes.stride_y * c->planes.stride_x;
  flat_planes_plan(&c->planes, block_extent, c->channels * phases + c->filters);
}

int64_t gyro_correlation_scratch(struct correlation *c) {
  plan(c);
  int64_t filters = gyro_round_up(c->filters, row_product_rows), depth = depth_of(c);
  return gyro_round_up(c->groups * filters * depth * 4, 64) +
         gyro_round_up(c->groups * filters * 4, 64) + gyro_round_up(depth * 8, 64) +
         gyro_thread_count() * bytes_per_thread(c);
}

typedef struct {
  const struct correlation *correlation;
  float *weights, *start;
} Pack;

/// Weights in the order in which the kernel reads them, eight filters at a time; missing filters
/// are zeros.
static void pack_filters(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Pack *pack = context;
  const struct correlation *c = pack->correlation;
  const struct flat_planes *p = &c->planes;
  int64_t parts = (c->filters + row_product_rows - 1) / row_product_rows;
  for (int64_t index = begin; index < end; index++) {
    int64_t group = index / parts, first = index % parts * row_product_rows;
    float *packed = pack->weights + index * row_product_rows * depth_of(c);
    const float *weight = c->weight + group * c->weight_group + first * c->weight_filter;
    int64_t count = c->filters - first < row_product_rows ? c->filters - first : row_product_rows;
    for (int64_t channel = 0; channel < c->channels; channel++)
      for (int64_t y = 0; y < p->kernel_height; y++)
        for (int64_t x = 0; x < p->kernel_width; x++, packed += row_product_rows) {
          const float *tap = weight + channel * c->weight_channel +
                             (c->first_y + y * c->step_y) * c->weight_row + c->first_x +
                             x * c->step_x;
          for (int64_t r = 0; r < row_product_rows; r++)
            packed[r] = r < count ? tap[r * c->weight_filter] : 0;
        }
    float *start = pack->start + index * row_product_rows;
    for (int64_t r = 0; r < row_product_rows; r++)
      start[r] = c->bias && r < count ? c->bias[group * c->filters + first + r] : 0;
  }
}

static void correlate_block(const Job *job, const struct flat_block *block, int64_t group,
                            float *flat, float *results) {
  const struct correlation *c = job->correlation;
  flat_planes_fill(&c->planes, block, c->source + group * c->source_group, c->source_image,
                   c->channels, flat);
  const float *weights = job->weights + group * job->filters * job->depth;
  const float *start = job->start + group * job->filters;
  // Places outside, filters inside: the part of the planes in use stays in the first-level cache.
  for (int64_t place = 0; place < block->extent; place += row_product_width) {
    int64_t rest = (block->extent - place + 15) / 16;
    for (int64_t filter = 0; filter < job->filters; filter += row_product_rows)
      gyro_multiply_rows(weights + filter * job->depth, job->shifts, job->depth, flat + place,
                         start + filter, rest < 3 ? (int)rest : 3,
                         results + filter * c->planes.result_plane + place,
                         c->planes.result_plane);
  }
  struct flat_results target = c->results;
  target.data += group * c->results_group + c->results_offset;
  flat_planes_store(&c->planes, block, results, c->filters, &target);
}

static void run_blocks(void *context, int64_t begin, int64_t end, int thread) {
  const Job *job = context;
  const struct correlation *c = job->correlation;
  char *scratch = job->scratch + thread * job->scratch_per_thread;
  float *flat = gyro_carve(&scratch, flat_bytes(c)), *results = (float *)scratch;
  for (int64_t index = begin; index < end; index++) {
    struct flat_block block = flat_planes_block(&c->planes, index / c->groups);
    correlate_block(job, &block, index % c->groups, flat, results);
  }
}

void gyro_run_correlation(struct correlation *c, void *memory) {
  plan(c);
  char *scratch = memory;
  Job job = {.correlation = c, .depth = depth_of(c),
             .filters = gyro_round_up(c->filters, row_product_rows),
             .scratch_per_thread = bytes_per_thread(c)};
  float *weights = gyro_carve(&scratch, c->groups * job.filters * job.depth * 4);
  float *start = gyro_carve(&scratch, c->groups * job.filters * 4);
  int64_t *shifts = gyro_carve(&scratch, job.depth * 8), *shift = shifts;
  Pack pack = {c, weights, start};
  int64_t parts = c->groups * (job.filters / row_product_rows);
  gyro_parallel_for(parts, 1 + 8192 / (job.depth * row_product_rows), pack_filters, &pack);
  for (int64_t channel = 0; channel < c->channels; channel++)
    for (int64_t y = 0; y < c->planes.kernel_height; y++)
      for (int64_t x = 0; x < c->planes.kernel_width; x++)
        *shift++ = flat_planes_shift(&c->planes, channel, y, x);
  job.weights = weights;
  job.start = start;
  job.shifts = shifts;
  job.scratch = scratch;
  gyro_parallel_for_dynamic(c->planes.blocks * c->groups, 1, run_blocks, &job);
}
