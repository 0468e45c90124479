#include <string.h>

#include "gyro_clones.h"
#include "gyro_elementwise.h"
#include "gyro_lanes.h"
#include "gyro_parallel.h"

#pragma STDC FP_CONTRACT OFF

enum { maximum_rank = 8, grain = 16384 };

/// One run of an operation: both operands move by their stride, in elements.
typedef void (*binary_run)(const float *a, int64_t a_stride, const float *b, int64_t b_stride,
                           int64_t count, float *out);

/// Four loops per operation: both operands in step, either one standing still, any strides.
#define BINARY(name, value)                                                                  \
  GYRO_CLONES static void name##_run(const float *a, int64_t a_stride, const float *b,       \
                                     int64_t b_stride, int64_t count, float *out) {          \
    if (a_stride == 1 && b_stride == 1) {                                                    \
      GYRO_ELEMENTWISE                                                                       \
      for (int64_t i = 0; i < count; i++) {                                                  \
        float v = a[i], w = b[i];                                                            \
        out[i] = (value);                                                                    \
      }                                                                                      \
    } else if (a_stride == 1 && b_stride == 0) {                                             \
      const float w = *b;                                                                    \
      GYRO_ELEMENTWISE                                                                       \
      for (int64_t i = 0; i < count; i++) {                                                  \
        float v = a[i];                                                                      \
        out[i] = (value);                                                                    \
      }                                                                                      \
    } else if (a_stride == 0 && b_stride == 1) {                                             \
      const float v = *a;                                                                    \
      GYRO_ELEMENTWISE                                                                       \
      for (int64_t i = 0; i < count; i++) {                                                  \
        float w = b[i];                                                                      \
        out[i] = (value);                                                                    \
      }                                                                                      \
    } else {                                                                                 \
      for (int64_t i = 0; i < count; i++) {                                                  \
        float v = a[i * a_stride], w = b[i * b_stride];                                      \
        out[i] = (value);                                                                    \
      }                                                                                      \
    }                                                                                        \
  }

BINARY(add, v + w)
BINARY(subtract, v - w)
BINARY(multiply, v *w)
BINARY(divide, v / w)
// NaN on either side stays.
BINARY(maximum, (v > w || v != v ? v : w))
BINARY(minimum, (v < w || v != v ? v : w))

static const binary_run binary_table[] = {
    [GYRO_ADD] = add_run,           [GYRO_SUBTRACT] = subtract_run,
    [GYRO_MULTIPLY] = multiply_run, [GYRO_DIVIDE] = divide_run,
    [GYRO_MAXIMUM] = maximum_run,   [GYRO_MINIMUM] = minimum_run,
};

typedef struct {
  binary_run run;
  const float *a, *b;
  float *destination;
  int64_t extents[maximum_rank], a_strides[maximum_rank], b_strides[maximum_rank];
  int32_t rank;
} Binary;

/// Works on the places begin ..< end of the destination, run by run along the last axis.
static void binary_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Binary *job = context;
  int32_t last = job->rank - 1;
  int64_t index[maximum_rank], rest = begin;
  int64_t a_place = 0, b_place = 0;  // of the run's first element
  for (int32_t axis = last; axis >= 0; axis--) {
    index[axis] = rest % job->extents[axis];
    rest /= job->extents[axis];
    if (axis == last) continue;
    a_place += index[axis] * job->a_strides[axis];
    b_place += index[axis] * job->b_strides[axis];
  }
  int64_t a_step = job->a_strides[last], b_step = job->b_strides[last];
  for (int64_t place = begin; place < end;) {
    int64_t start = index[last], count = job->extents[last] - start;
    if (count > end - place) count = end - place;
    job->run(job->a + a_place + start * a_step, a_step, job->b + b_place + start * b_step, b_step,
             count, job->destination + place);
    place += count;
    index[last] = 0;
    for (int32_t axis = last - 1; axis >= 0; axis--) {
      a_place += job->a_strides[axis];
      b_place += job->b_strides[axis];
      if (++index[axis] < job->extents[axis]) break;
      a_place -= job->extents[axis] * job->a_strides[axis];
      b_place -= job->extents[axis] * job->b_strides[axis];
      index[axis] = 0;
    }
  }
}

/// Joins neighbouring axes that both operands walk through as one, so that equal shapes become one
/// long run and a stretched row or column becomes two axes, whatever the rank.
static int64_t join_axes(Binary *job, const int64_t *extents, const int64_t *a_strides,
                         const int64_t *b_strides, int32_t rank) {
  int64_t count = 1;
  int32_t kept = 0;
  for (int32_t axis = 0; axis < rank; axis++) {
    count *= extents[axis];
    if (extents[axis] == 1) continue;
    if (kept > 0 && job->a_strides[kept - 1] == a_strides[axis] * extents[axis] &&
        job->b_strides[kept - 1] == b_strides[axis] * extents[axis]) {
      job->extents[kept - 1] *= extents[axis];
      job->a_strides[kept - 1] = a_strides[axis];
      job->b_strides[kept - 1] = b_strides[axis];
    } else {
      job->extents[kept] = extents[axis];
      job->a_strides[kept] = a_strides[axis];
      job->b_strides[kept] = b_strides[axis];
      kept++;
    }
  }
  if (kept == 0) {
    job->extents[0] = 1;
    job->a_strides[0] = job->b_strides[0] = 1;
    kept = 1;
  }
  job->rank = kept;
  return count;
}

void gyro_binary(enum gyro_binary_op op, const float *a, const int64_t *a_strides, const float *b,
                 const int64_t *b_strides, const int64_t *extents, int32_t rank,
                 float *destination) {
  Binary job = {.run = binary_table[op], .a = a, .b = b, .destination = destination};
  int64_t count = join_axes(&job, extents, a_strides, b_strides, rank);
  gyro_parallel_for(count, grain, binary_body, &job);
}

// MARK: Moving

typedef struct {
  const float *source;
  float *destination;
  int64_t source_pitch, destination_pitch, length;
  float value;
} Move;

GYRO_CLONES
static void fill_range(float *destination, int64_t count, float value) {
  for (int64_t i = 0; i < count; i++) destination[i] = value;
}

static void fill_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Move *job = context;
  fill_range(job->destination + begin, end - begin, job->value);
}

void gyro_fill(float *destination, int64_t count, float value) {
  Move job = {.destination = destination, .value = value};
  gyro_parallel_for(count, grain, fill_body, &job);
}

static void copy_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Move *job = context;
  for (int64_t row = begin; row < end; row++)
    memcpy(job->destination + row * job->destination_pitch, job->source + row * job->source_pitch,
           (size_t)job->length * sizeof(float));
}

void gyro_copy_runs(const float *source, int64_t source_pitch, float *destination,
                    int64_t destination_pitch, int64_t rows, int64_t length) {
  if (length == 0) return;
  Move job = {source, destination, source_pitch, destination_pitch, length, 0};
  gyro_parallel_for(rows, 1 + grain / length, copy_body, &job);
}
