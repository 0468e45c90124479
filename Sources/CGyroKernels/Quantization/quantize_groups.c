#include "gyro_quantize.h"

#include <stdatomic.h>

#include "group_kernels.h"
#include "gyro_parallel.h"

enum {
  /// Elements that stay in the first cache between a group's three steps.
  run_elements = 4096,
  /// Elements that are worth a thread.
  thread_elements = 32768,
};

typedef struct {
  const gyro_group_quantizer *quantizer;
  const float *source;
  int64_t groups, length;
  float *scales, *zero_points, tensor_scale;
  int32_t output_kind;
  char *output;  // NULL when only scales are asked for
  /// Whether scales are worked out here, and whether from ranges that are already there.
  int32_t is_dynamic, has_ranges;
  /// 1 + the first group that is not finite, or whose scale does not fit; 0 if none.
  _Atomic int64_t not_finite, too_large;
  /// The bits of the widest range of all groups: what the scale of the whole tensor follows from.
  _Atomic uint32_t widest;
} Job;

static void note(_Atomic int64_t *place, int64_t group) {
  int64_t seen = atomic_load(place);
  while ((seen == 0 || seen > group + 1) &&
         !atomic_compare_exchange_weak(place, &seen, group + 1)) {
  }
}

/// Keeps the largest magnitude.
static void raise(_Atomic uint32_t *largest, float value) {
  uint32_t bits = gyro_bits(value) & 0x7fffffffu, seen = atomic_load(largest);
  while (bits > seen && !atomic_compare_exchange_weak(largest, &seen, bits)) {
  }
}

static int64_t element_size(int32_t output_kind) {
  return output_kind == GYRO_OUTPUT_VALUES ? (int64_t)sizeof(float) : 1;
}

/// Finds ranges of some groups; true if all are finite.
static int find_ranges(Job *job, int64_t group, int64_t groups, float *scales,
                       float *zero_points) {
  const float *source = job->source + group * job->length;
  if (zero_points) gyro_run_extremes(source, groups, job->length, zero_points, scales);
  else gyro_run_magnitudes(source, groups, job->length, scales);
  int64_t bad = gyro_first_not_finite(scales, groups);
  if (bad >= 0) note(&job->not_finite, group + bad);
  return bad < 0;
}

static int64_t groups_per_run(int64_t length) {
  return length < run_elements ? run_elements / length : 1;
}

static void ranges_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  Job *job = context;
  int64_t step = groups_per_run(job->length);
  for (int64_t group = begin; group < end; group += step) {
    int64_t groups = end - group < step ? end - group : step;
    float *scales = job->scales + group;
    float *zero_points = job->zero_points ? job->zero_points + group : 0;
    if (find_ranges(job, group, groups, scales, zero_points))
      raise(&job->widest, gyro_run_widest(zero_points, scales, groups));
  }
}

static void groups_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  Job *job = context;
  float ignored[run_elements];
  int64_t step = groups_per_run(job->length), size = element_size(job->output_kind);
  for (int64_t group = begin; group < end; group += step) {
    int64_t groups = end - group < step ? end - group : step;
    float *scales = job->scales + group;
    float *zero_points = job->zero_points ? job->zero_points + group : 0;
    if (!job->has_ranges) {
      // Under given scales, the pass only looks for a value that is not finite.
      int is_finite = job->is_dynamic ? find_ranges(job, group, groups, scales, zero_points)
                                      : find_ranges(job, group, groups, ignored, 0);
      if (!is_finite) continue;
    }
    if (job->is_dynamic) {
      gyro_run_scales(job->quantizer, job->tensor_scale, groups, scales, zero_points);
      int64_t bad = gyro_first_not_finite(scales, groups);
      if (bad >= 0) {
        note(&job->too_large, group + bad);
        continue;
      }
    }
    if (job->output)
      gyro_run_projection(job->quantizer, job->source + group * job->length, groups, job->length,
                          scales, zero_points, job->tensor_scale, job->output_kind,
                          job->output + group * job->length * size);
  }
}

/// A group long enough for all threads: its range is put together from parts.
typedef struct {
  Job *job;
  int64_t group;
  _Atomic uint32_t low, high;  // as bits of |low| and of high
} LongGroup;

static void long_range_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  LongGroup *group = context;
  const float *source = group->job->source + group->group * group->job->length + begin;
  float low = 0, high;
  if (group->job->zero_points && group->job->is_dynamic)
    gyro_run_extremes(source, 1, end - begin, &low, &high);
  else
    gyro_run_magnitudes(source, 1, end - begin, &high);
  raise(&group->low, low);
  raise(&group->high, high);
}

static void long_projection_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const LongGroup *group = context;
  const Job *job = group->job;
  int64_t start = group->group * job->length + begin;
  gyro_run_projection(job->quantizer, job->source + start, 1, end - begin,
                      job->scales + group->group,
                      job->zero_points ? job->zero_points + group->group : 0,
                      job->tensor_scale, job->output_kind,
                      job->output + start * element_size(job->output_kind));
}

/// Fills in the ranges of long groups, or just looks for values that are not finite.
static void find_long_ranges(Job *job) {
  for (int64_t g = 0; g < job->groups; g++) {
    LongGroup group = {.job = job, .group = g};
    gyro_parallel_for(job->length, thread_elements, long_range_part, &group);
    float high = gyro_from_bits(atomic_load(&group.high));
    if (gyro_first_not_finite(&high, 1) == 0) {
      note(&job->not_finite, g);
      return;
    }
    if (!job->is_dynamic) continue;
    job->scales[g] = high;
    if (job->zero_points) job->zero_points[g] = -gyro_from_bits(atomic_load(&group.low));
  }
}

static void project_long_groups(Job *job) {
  for (int64_t g = 0; g < job->groups; g++) {
    LongGroup group = {.job = job, .group = g};
    gyro_parallel_for(job->length, thread_elements, long_projection_part, &group);
  }
}

/// The scale of the whole tensor, from the ranges of its groups.
static float whole_scale(const Job *job) {
  float range = gyro_from_bits(atomic_load(&job->widest));
  return gyro_tensor_scale(gyro_group_width(0, range), job->quantizer->span);
}

static int64_t status(Job *job) {
  int64_t bad = atomic_load(&job->not_finite);
  return bad ? bad : -atomic_load(&job->too_large);
}

static int64_t run(Job *job) {
  int64_t minimum = 1 + thread_elements / (job->length + 1);
  int is_long = job->length >= 2 * thread_elements && job->groups < 4 * gyro_thread_count();
  int has_two_levels = job->is_dynamic && gyro_finds_tensor_scale(job->quantizer);
  if (is_long) {
    find_long_ranges(job);
    if (!atomic_load(&job->not_finite) && has_two_levels)
      raise(&job->widest, gyro_run_widest(job->zero_points, job->scales, job->groups));
  }
  if (!is_long && has_two_levels) gyro_parallel_for(job->groups, minimum, ranges_part, job);
  if (atomic_load(&job->not_finite)) return status(job);
  job->has_ranges = is_long || has_two_levels;
  if (has_two_levels) job->tensor_scale = whole_scale(job);
  if (!is_long) {
    gyro_parallel_for(job->groups, minimum, groups_part, job);
    return status(job);
  }
  if (job->is_dynamic) {
    gyro_run_scales(job->quantizer, job->tensor_scale, job->groups, job->scales,
                    job->zero_points);
    int64_t bad = gyro_first_not_finite(job->scales, job->groups);
    if (bad >= 0) return -(bad + 1);
  }
  if (job->output) project_long_groups(job);
  return 0;
}

int64_t gyro_group_scales(const gyro_group_quantizer *quantizer, const float *source,
                          int64_t groups, int64_t length, float *scales, float *zero_points,
                          float *tensor_scale) {
  return gyro_quantize_groups(quantizer, source, groups, length, 1, scales, zero_points,
                              tensor_scale, GYRO_OUTPUT_VALUES, 0);
}

int64_t gyro_quantize_groups(const gyro_group_quantizer *quantizer, const float *source,
                             int64_t groups, int64_t length, int32_t is_dynamic, float *scales,
                             float *zero_points, float *tensor_scale, int32_t output_kind,
                             void *output) {
  Job job = {
      .quantizer = quantizer,
      .source = source,
      .groups = groups,
      .length = length,
      .scales = scales,
      .zero_points = zero_points,
      .tensor_scale = is_dynamic ? gyro_given_tensor_scale(quantizer) : *tensor_scale,
      .output_kind = output_kind,
      .output = output,
      .is_dynamic = is_dynamic,
  };
  int64_t result = run(&job);
  if (is_dynamic) *tensor_scale = job.tensor_scale;
  return result;
}
