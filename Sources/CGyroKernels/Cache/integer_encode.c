#include "gyro_cache_integer.h"
#include "gyro_parallel.h"
#include "cache_half.h"

#pragma STDC FP_CONTRACT OFF

typedef struct {
  const float *x;
  gyro_integer_lines lines;
  gyro_integer_format format;
  uint8_t *codes;
  uint16_t *scales, *offsets;
} Encoding;

/// Rounds to the nearest whole number, ties to even (|x| < 2^22).
GYRO_INLINE float rounded(float x) { return (x + 12582912.0f) - 12582912.0f; }

static void encode_line(const Encoding *job, int64_t line, const float *x, uint8_t *codes) {
  const int64_t stride = job->lines.stride, end = job->lines.length * stride;
  const int bits = job->format.bits;
  float low = x[0], high = x[0];
  for (int64_t i = stride; i < end; i += stride) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  float offset = 0, least = 0, most = (float)((1 << bits) - 1), scale;
  if (job->format.symmetric) {
    const float half = (float)(1 << (bits - 1)), largest = high > -low ? high : -low;
    job->scales[line] = half_not_below(largest / (half - 1));
    offset = half;
  } else {
    job->offsets[line] = half_not_above(low);
    low = half_to_float(job->offsets[line]);
    job->scales[line] = half_not_below((high - low) / most);
    least = low;
  }
  scale = half_to_float(job->scales[line]);
  for (int64_t i = 0; i < end; i += stride) {
    const float code = scale > 0 ? rounded((x[i] - least) / scale) + offset : offset;
    codes[i] = (uint8_t)(code < 0 ? 0 : code > most ? most : code);
  }
}

static void encode_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Encoding *job = context;
  for (int64_t line = begin; line < end; line++) {
    const int64_t place = line / job->lines.inner * job->lines.outer_stride +
                          line % job->lines.inner * job->lines.inner_stride;
    encode_line(job, line, job->x + place, job->codes + place);
  }
}

void gyro_integer_encode(const float *x, gyro_integer_lines lines, gyro_integer_format format,
                         uint8_t *codes, uint16_t *scales, uint16_t *offsets) {
  Encoding job = {x, lines, format, codes, scales, offsets};
  gyro_parallel_for(lines.outer * lines.inner, 1 + 4096 / (lines.length + 1), encode_part, &job);
}
