#include <stdatomic.h>

#include "group_kernels.h"
#include "gyro_parallel.h"
#include "gyro_units.h"

// Scales from ranges and units from scales, group by group, while the elements are in cache.

enum {
  /// Elements of a run of groups, and those that are worth a thread.
  run_elements = 4096,
  thread_elements = 32768,
};

enum { kind_integers, kind_around_zero_point, kind_floats, kind_levels };

/// What stays the same for all elements.
typedef struct {
  const gyro_number_format *format;
  int kind;
  float lowest, largest;
  uint32_t smallest, shift;
} Numbers;

typedef struct {
  const gyro_group_quantizer *quantizer;
  Numbers numbers;
  const float *source;
  int64_t length;
  int32_t is_dynamic, has_scaled_units;
  float *scales, *zero_points, tensor_scale;
  uint16_t *units;
  /// 1 + the first group that is not finite, or whose scale does not fit; 0 if none.
  _Atomic int64_t not_finite, too_large;
  _Atomic uint32_t lost_bits;
} Job;

static void note(_Atomic int64_t *place, int64_t group) {
  int64_t seen = atomic_load(place);
  while ((seen == 0 || seen > group + 1) &&
         !atomic_compare_exchange_weak(place, &seen, group + 1)) {
  }
}

GYRO_INLINE float number_of(int kind, const Numbers *numbers, float value) {
  switch (kind) {
    case kind_floats:
      return gyro_project_float(value, numbers->largest, numbers->smallest, numbers->shift);
    case kind_levels: return gyro_project(numbers->format, value);
    default: return gyro_project_integer(value, numbers->lowest, numbers->largest);
  }
}

/// `lost` collects the bits of the units that did not fit.
GYRO_INLINE void project_run(int kind, const Numbers *numbers, const float *source, int64_t count,
                             float scale, float unit_scale, uint16_t *units, uint32_t lost[16]) {
  int64_t i = 0;
  for (; kind != kind_levels && i + 16 <= count; i += 16) {
    GYRO_SIXTEEN
    for (int lane = 0; lane < 16; lane++) {
      float number = number_of(kind, numbers, source[i + lane] / scale);
      uint32_t bits = gyro_bits(number * unit_scale);
      units[i + lane] = (uint16_t)(bits >> 16);
      lost[lane] |= bits & 0xffffu;
    }
  }
  for (; i < count; i++) {
    uint32_t bits = gyro_bits(number_of(kind, numbers, source[i] / scale) * unit_scale);
    units[i] = (uint16_t)(bits >> 16);
    lost[0] |= bits & 0xffffu;
  }
}

/// Elements `begin ..< end`, all groups' scales being known.
GYRO_INLINE uint32_t project_elements(int kind, const Job *job, int64_t begin, int64_t end) {
  uint32_t lost[16] = {0};
  Numbers numbers = job->numbers;
  int has_parts = job->has_scaled_units && job->quantizer->scale_format == GYRO_SCALE_E4M3;
  int64_t group = begin / job->length, stop = (group + 1) * job->length;
  for (; begin < end; begin = stop, stop += job->length, group++) {
    stop = stop < end ? stop : end;
    float scale = job->scales[group], unit_scale = job->has_scaled_units ? scale : 1;
    if (has_parts) unit_scale = gyro_scale_part(scale, job->tensor_scale);
    if (kind == kind_around_zero_point) {
      numbers.lowest = -job->zero_points[group];
      numbers.largest = job->quantizer->span - job->zero_points[group];
    }
    project_run(kind, &numbers, job->source + begin, stop - begin, scale, unit_scale,
                job->units + begin, lost);
  }
  for (int lane = 1; lane < 16; lane++) lost[0] |= lost[lane];
  return lost[0];
}

GYRO_CLONES
static uint32_t project_kind(const Job *job, int64_t begin, int64_t end) {
  switch (job->numbers.kind) {
    case kind_integers: return project_elements(kind_integers, job, begin, end);
    case kind_around_zero_point: return project_elements(kind_around_zero_point, job, begin, end);
    case kind_floats: return project_elements(kind_floats, job, begin, end);
    default: return project_elements(kind_levels, job, begin, end);
  }
}

static void project_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  Job *job = context;
  uint32_t lost = project_kind(job, begin, end);
  if (lost) atomic_fetch_or(&job->lost_bits, lost);
}

/// Groups `begin ..< end`: ranges, scales and units of a run that stays in cache.
static void groups_part(void *context, int64_t begin, int64_t end, int thread) {
  Job *job = context;
  float ignored[run_elements];
  int64_t step = job->length < run_elements ? run_elements / job->length : 1;
  for (int64_t group = begin; group < end; group += step) {
    int64_t groups = end - group < step ? end - group : step;
    const float *source = job->source + group * job->length;
    // Under given scales, the pass only looks for a value that is not finite.
    float *scales = job->is_dynamic ? job->scales + group : ignored;
    float *lows = job->is_dynamic && job->zero_points ? job->zero_points + group : 0;
    if (lows) gyro_run_extremes(source, groups, job->length, lows, scales);
    else gyro_run_magnitudes(source, groups, job->length, scales);
    int64_t bad = gyro_first_not_finite(scales, groups);
    if (bad >= 0) {
      note(&job->not_finite, group + bad);
      continue;
    }
    if (job->is_dynamic) {
      gyro_run_scales(job->quantizer, job->tensor_scale, groups, scales, lows);
      bad = gyro_first_not_finite(scales, groups);
      if (bad >= 0) {
        note(&job->too_large, group + bad);
        continue;
      }
    }
    project_part(job, group * job->length, (group + groups) * job->length, thread);
  }
}

static Numbers numbers_of(const gyro_group_quantizer *quantizer) {
  const gyro_number_format *format = &quantizer->format;
  Numbers numbers = {.format = format, .lowest = format->lowest, .largest = format->largest};
  if (quantizer->is_asymmetric) {
    numbers.kind = kind_around_zero_point;
  } else if (format->kind == GYRO_FORMAT_FLOATS) {
    numbers.kind = kind_floats;
    numbers.smallest = (uint32_t)(format->smallest_exponent + 127) << 23;
    numbers.shift = (uint32_t)(23 - format->mantissa_bits) << 23;
  } else {
    numbers.kind = format->kind == GYRO_FORMAT_INTEGERS ? kind_integers : kind_levels;
  }
  return numbers;
}

int64_t gyro_quantize_units(const gyro_group_quantizer *quantizer, const float *source,
                            int64_t groups, int64_t length, int32_t is_dynamic,
                            int32_t has_scaled_units, float *scales, float *zero_points,
                            float *tensor_scale, uint16_t *units, int32_t *is_exact) {
  Job job = {
      .quantizer = quantizer,
      .numbers = numbers_of(quantizer),
      .source = source,
      .length = length,
      .is_dynamic = is_dynamic,
      .has_scaled_units = has_scaled_units,
      .scales = scales,
      .zero_points = zero_points,
      .units = units,
  };
  *is_exact = 1;
  if (groups == 0 || length == 0) return 0;
  // A group for all threads, or a scale of the whole tensor, needs all ranges first.
  int is_long = length >= 2 * thread_elements && groups < 4 * gyro_thread_count();
  if (is_long || (is_dynamic && gyro_finds_tensor_scale(quantizer))) {
    int64_t status = gyro_quantize_groups(quantizer, source, groups, length, is_dynamic, scales,
                                          zero_points, tensor_scale, GYRO_OUTPUT_VALUES, 0);
    if (status) return status;
    job.tensor_scale = *tensor_scale;
    gyro_parallel_for(groups * length, thread_elements, project_part, &job);
  } else {
    if (is_dynamic) *tensor_scale = gyro_given_tensor_scale(quantizer);
    job.tensor_scale = *tensor_scale;
    gyro_parallel_for(groups, 1 + thread_elements / (length + 1), groups_part, &job);
  }
  *is_exact = atomic_load(&job.lost_bits) == 0;
  int64_t bad = atomic_load(&job.not_finite);
  return bad ? bad : -atomic_load(&job.too_large);
}
