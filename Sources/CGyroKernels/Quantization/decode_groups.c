#include "group_kernels.h"
#include "gyro_parallel.h"

typedef struct {
  const float *table;
  const uint8_t *codes;
  int64_t length;
  const float *scales, *zero_points;
  float *destination;
} Decode;

GYRO_CLONES
static void decode_run(const float *table, const uint8_t *codes, int64_t count, float zero_point,
                       float scale, float *destination) {
  GYRO_ELEMENTWISE
  for (int64_t i = 0; i < count; i++) destination[i] = (table[codes[i]] - zero_point) * scale;
}

static void decode_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Decode *job = context;
  while (begin < end) {
    int64_t group = begin / job->length, stop = (group + 1) * job->length;
    stop = stop < end ? stop : end;
    decode_run(job->table, job->codes + begin, stop - begin,
               job->zero_points ? job->zero_points[group] : 0, job->scales[group],
               job->destination + begin);
    begin = stop;
  }
}

void gyro_decode_groups(const float *table, const uint8_t *codes, int64_t groups, int64_t length,
                        const float *scales, const float *zero_points, float *destination) {
  Decode job = {table, codes, length, scales, zero_points, destination};
  gyro_parallel_for(groups * length, 32768, decode_part, &job);
}

typedef struct {
  const int8_t *codes;
  const float *scales;
  float *destination;
  int64_t columns;
} Dequantize;

GYRO_CLONES
static void decode_row(const int8_t *codes, int64_t count, float scale, float *destination) {
  for (int64_t i = 0; i < count; i++) destination[i] = (float)codes[i] * scale;
}

static void dequantize_rows(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Dequantize *job = context;
  for (int64_t row = begin; row < end; row++)
    decode_row(job->codes + row * job->columns, job->columns, job->scales[row],
               job->destination + row * job->columns);
}

void gyro_dequantize_rows_int8(const int8_t *codes, const float *scales, int64_t rows,
                               int64_t columns, float *destination) {
  Dequantize job = {codes, scales, destination, columns};
  gyro_parallel_for(rows, 1 + 32768 / (columns + 1), dequantize_rows, &job);
}
