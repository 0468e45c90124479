#include "gyro_quantize_int8.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "gyro_clones.h"
#include "gyro_parallel.h"

#pragma STDC FP_CONTRACT OFF

enum { lanes = 16 };

typedef struct {
  const float *source;
  int8_t *codes;
  float *scales;
  int64_t columns;
  _Atomic int64_t first_bad;  // 1 + row, or 0
} Quantize;

/// The largest magnitude, as bits: magnitudes order like integers, and infinity and NaN come out
/// on top, so one pass finds both the range and a value that is not finite.
static inline uint32_t magnitude(const float *x) {
  uint32_t bits;
  memcpy(&bits, x, sizeof bits);
  return bits & 0x7fffffffu;
}

GYRO_CLONES
static uint32_t largest_magnitude(const float *row, int64_t count) {
  uint32_t best[lanes] = {0};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int lane = 0; lane < lanes; lane++) {
      uint32_t m = magnitude(row + i + lane);
      best[lane] = m > best[lane] ? m : best[lane];
    }
  for (; i < count; i++) {
    uint32_t m = magnitude(row + i);
    best[0] = m > best[0] ? m : best[0];
  }
  for (int lane = 1; lane < lanes; lane++) best[0] = best[lane] > best[0] ? best[lane] : best[0];
  return best[0];
}

/// Division, not multiplication by a reciprocal: x / scale rounds once, which is what the
/// format's definition says and what an exporter or another runtime computes.
/// Adding 1.5·2^23 rounds to the nearest even integer without a library call.
GYRO_CLONES
static void encode_row(const float *row, int64_t count, float scale, int8_t *codes) {
  const float magic = 12582912.0f;
  for (int64_t i = 0; i < count; i++) {
    float rounded = (row[i] / scale + magic) - magic;
    codes[i] = (int8_t)(int32_t)rounded;
  }
}

static float scale_of(uint32_t bits) {
  float amax;
  memcpy(&amax, &bits, sizeof amax);
  float scale = amax / 127.0f;
  // A row of zeros, or one so small that its scale would be subnormal and x / scale inexact.
  return scale < 0x1p-126f ? (amax == 0.0f ? 1.0f : 0x1p-126f) : scale;
}

static void quantize_rows(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  Quantize *job = context;
  for (int64_t row = begin; row < end; row++) {
    const float *source = job->source + row * job->columns;
    uint32_t bits = largest_magnitude(source, job->columns);
    if (bits >= 0x7f800000u) {
      int64_t expected = atomic_load(&job->first_bad);
      while ((expected == 0 || expected > row + 1) &&
             !atomic_compare_exchange_weak(&job->first_bad, &expected, row + 1)) {
      }
      continue;
    }
    float scale = scale_of(bits);
    job->scales[row] = scale;
    encode_row(source, job->columns, scale, job->codes + row * job->columns);
  }
}

/// A long row on its own: all threads look for the largest magnitude, then all encode.
typedef struct {
  const float *source;
  int8_t *codes;
  float scale;
  _Atomic uint32_t largest;
} LongRow;

static void search_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  LongRow *row = context;
  uint32_t bits = largest_magnitude(row->source + begin, end - begin);
  uint32_t seen = atomic_load(&row->largest);
  while (bits > seen && !atomic_compare_exchange_weak(&row->largest, &seen, bits)) {
  }
}

static void encode_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const LongRow *row = context;
  encode_row(row->source + begin, end - begin, row->scale, row->codes + begin);
}

static int64_t quantize_long_row(const float *source, int64_t columns, int8_t *codes,
                                 float *scale) {
  LongRow row = {.source = source, .codes = codes};
  gyro_parallel_for(columns, 32768, search_part, &row);
  uint32_t bits = atomic_load(&row.largest);
  if (bits >= 0x7f800000u) return 1;
  row.scale = *scale = scale_of(bits);
  gyro_parallel_for(columns, 32768, encode_part, &row);
  return 0;
}

int64_t gyro_quantize_rows_int8(const float *source, int64_t rows, int64_t columns, int8_t *codes,
                                float *scales) {
  if (rows == 1) return quantize_long_row(source, columns, codes, scales);
  Quantize job = {.source = source, .codes = codes, .scales = scales, .columns = columns};
  gyro_parallel_for(rows, 1 + 32768 / (columns + 1), quantize_rows, &job);
  return atomic_load(&job.first_bad);
}

int64_t gyro_reference_quantize_rows_int8(const float *source, int64_t rows, int64_t columns,
                                          int8_t *codes, float *scales) {
  for (int64_t row = 0; row < rows; row++) {
    const float *x = source + row * columns;
    float amax = 0;
    for (int64_t i = 0; i < columns; i++) {
      if (!isfinite(x[i])) return row + 1;
      amax = fmaxf(amax, fabsf(x[i]));
    }
    float scale = amax / 127.0f;
    if (scale < 0x1p-126f) scale = amax == 0.0f ? 1.0f : 0x1p-126f;
    scales[row] = scale;
    for (int64_t i = 0; i < columns; i++)
      codes[row * columns + i] = (int8_t)nearbyintf(x[i] / scale);
  }
  return 0;
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
