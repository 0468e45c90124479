#include "gyro_units.h"

#include <stdatomic.h>

#include "gyro_clones.h"
#include "gyro_lanes.h"
#include "gyro_parallel.h"

/// The nearest bfloat16 number, halves to even.
GYRO_INLINE uint16_t nearest_unit(float value) {
  uint32_t bits = gyro_bits(value);
  return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

GYRO_INLINE float number_of_unit(uint16_t unit) { return gyro_from_bits((uint32_t)unit << 16); }

typedef struct {
  const float *values, *row_scale;
  int64_t columns;
  uint16_t *units;
  float *destination;
  _Atomic int64_t first_inexact;  // 1 + row, or 0
} Conversion;

/// Returns 0 when all values are unit · scale.
GYRO_CLONES
static uint32_t convert_run(const float *values, int64_t count, float scale, uint16_t *units) {
  uint32_t difference = 0;
  GYRO_ELEMENTWISE
  for (int64_t i = 0; i < count; i++) {
    uint16_t unit = nearest_unit(values[i] / scale);
    difference |= gyro_bits(number_of_unit(unit) * scale) ^ gyro_bits(values[i]);
    units[i] = unit;
  }
  return difference;
}

static void convert_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  Conversion *job = context;
  while (begin < end) {
    int64_t row = begin / job->columns, stop = (row + 1) * job->columns;
    stop = stop < end ? stop : end;
    uint32_t difference = convert_run(job->values + begin, stop - begin,
                                      job->row_scale ? job->row_scale[row] : 1,
                                      job->units + begin);
    int64_t seen = atomic_load(&job->first_inexact);
    while (difference && (seen == 0 || seen > row + 1) &&
           !atomic_compare_exchange_weak(&job->first_inexact, &seen, row + 1)) {
    }
    begin = stop;
  }
}

int64_t gyro_units_from_values(const float *values, int64_t rows, int64_t columns,
                               const float *row_scale, uint16_t *units) {
  Conversion job = {.values = values, .row_scale = row_scale, .columns = columns, .units = units};
  gyro_parallel_for(rows * columns, 32768, convert_part, &job);
  return atomic_load(&job.first_inexact);
}

GYRO_CLONES
static void decode_run(const uint16_t *units, int64_t count, float scale, float *destination) {
  for (int64_t i = 0; i < count; i++) destination[i] = number_of_unit(units[i]) * scale;
}

/// Elements `begin ..< end`: a tensor with one scale is one long row.
static void decode_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Conversion *job = context;
  while (begin < end) {
    int64_t row = begin / job->columns, stop = (row + 1) * job->columns;
    stop = stop < end ? stop : end;
    decode_run(job->units + begin, stop - begin, job->row_scale[row], job->destination + begin);
    begin = stop;
  }
}

void gyro_values_of_units(const uint16_t *units, const float *row_scale, int64_t rows,
                          int64_t columns, float *destination) {
  Conversion job = {.row_scale = row_scale, .columns = columns, .units = (uint16_t *)units,
                    .destination = destination};
  gyro_parallel_for(rows * columns, 32768, decode_part, &job);
}
