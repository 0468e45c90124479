#include "group_kernels.h"

// The range of each group. Magnitudes are compared as integers: they order alike, and infinity and
// NaN come out on top, so one pass finds both the range and a value that is not finite.

static const uint32_t not_finite = 0x7f800000u;

GYRO_INLINE int32_t magnitude_bits(const float *x) {
  int32_t bits;
  memcpy(&bits, x, sizeof bits);
  return bits & 0x7fffffff;
}

/// Sixteen at once; a macro because wide vectors must not cross a call.
#define SIXTEEN_MAGNITUDES(lanes, address) \
  gyro_lanes_bits lanes;                   \
  GYRO_LOAD(lanes, address);               \
  lanes &= 0x7fffffff

GYRO_INLINE int32_t largest_magnitude(const float *x, int64_t length) {
  gyro_lanes_bits best = {0};
  int64_t i = 0;
  for (; i + 16 <= length; i += 16) {
    SIXTEEN_MAGNITUDES(lanes, x + i);
    best = __builtin_elementwise_max(best, lanes);
  }
  int32_t result = __builtin_reduce_max(best);
  for (; i < length; i++) {
    int32_t bits = magnitude_bits(x + i);
    result = bits > result ? bits : result;
  }
  return result;
}

GYRO_CLONES
void gyro_run_magnitudes(const float *source, int64_t groups, int64_t length, float *ranges) {
  if (length == 16) {  // without a loop, several groups are under way at once
    for (int64_t g = 0; g < groups; g++) {
      SIXTEEN_MAGNITUDES(lanes, source + g * 16);
      int32_t bits = __builtin_reduce_max(lanes);
      memcpy(ranges + g, &bits, sizeof bits);
    }
  } else if (length == 32) {
    for (int64_t g = 0; g < groups; g++) {
      SIXTEEN_MAGNITUDES(first, source + g * 32);
      SIXTEEN_MAGNITUDES(second, source + g * 32 + 16);
      int32_t bits = __builtin_reduce_max(__builtin_elementwise_max(first, second));
      memcpy(ranges + g, &bits, sizeof bits);
    }
  } else {
    for (int64_t g = 0; g < groups; g++) {
      int32_t bits = largest_magnitude(source + g * length, length);
      memcpy(ranges + g, &bits, sizeof bits);
    }
  }
}

GYRO_CLONES
void gyro_run_extremes(const float *source, int64_t groups, int64_t length, float *lows,
                       float *highs) {
  for (int64_t g = 0; g < groups; g++) {
    const float *x = source + g * length;
    float low[16] = {0}, high[16] = {0};
    int32_t largest[16] = {0};
    int64_t i = 0;
    for (; i + 16 <= length; i += 16) {
      GYRO_SIXTEEN
      for (int lane = 0; lane < 16; lane++) {
        float value = x[i + lane];
        int32_t bits = magnitude_bits(x + i + lane);
        low[lane] = value < low[lane] ? value : low[lane];
        high[lane] = value > high[lane] ? value : high[lane];
        largest[lane] = bits > largest[lane] ? bits : largest[lane];
      }
    }
    for (int lane = 0; i + lane < length; lane++) {
      float value = x[i + lane];
      int32_t bits = magnitude_bits(x + i + lane);
      low[lane] = value < low[lane] ? value : low[lane];
      high[lane] = value > high[lane] ? value : high[lane];
      largest[lane] = bits > largest[lane] ? bits : largest[lane];
    }
    for (int width = 8; width > 0; width /= 2) {
      for (int lane = 0; lane < width; lane++) {
        low[lane] = low[lane + width] < low[lane] ? low[lane + width] : low[lane];
        high[lane] = high[lane + width] > high[lane] ? high[lane + width] : high[lane];
        largest[lane] =
            largest[lane + width] > largest[lane] ? largest[lane + width] : largest[lane];
      }
    }
    lows[g] = low[0];
    highs[g] = (uint32_t)largest[0] >= not_finite ? gyro_from_bits(0x7fc00000u) : high[0];
  }
}

GYRO_CLONES
int64_t gyro_first_not_finite(const float *numbers, int64_t count) {
  int32_t worst = 0;
  for (int64_t i = 0; i < count; i++) {
    int32_t bits = magnitude_bits(numbers + i);
    worst = bits > worst ? bits : worst;
  }
  if ((uint32_t)worst < not_finite) return -1;
  int64_t place = 0;
  while ((uint32_t)magnitude_bits(numbers + place) < not_finite) place++;
  return place;
}

GYRO_CLONES
float gyro_run_widest(const float *lows, const float *highs, int64_t count) {
  int32_t widest = 0;
  for (int64_t i = 0; i < count; i++) {
    float width = lows ? highs[i] - lows[i] : highs[i];
    int32_t bits = magnitude_bits(&width);
    widest = bits > widest ? bits : widest;
  }
  return gyro_from_bits((uint32_t)widest);
}
