#include <math.h>

#include "group_kernels.h"

// From a group's range to its scale, rounded to the type scales are stored in.

GYRO_INLINE float at_least(float value, float least) { return value < least ? least : value; }

/// Rounds the bits of a positive number half to even, dropping `places` of them.
GYRO_INLINE uint32_t round_bits(uint32_t bits, int places) {
  uint32_t half = (1u << (places - 1)) - 1;
  return (bits + half + (bits >> places & 1)) & ~((1u << places) - 1);
}

GYRO_INLINE float scale_of(int32_t scale_format, float range, float span, float tensor_scale) {
  float quotient = range / span, scale;
  switch (scale_format) {
    case GYRO_SCALE_FLOAT16:
      scale = gyro_from_bits(round_bits(gyro_bits(at_least(quotient, 0x1p-14f)), 13));
      scale = scale > 65504.0f ? INFINITY : scale;
      break;
    case GYRO_SCALE_BFLOAT16:
      scale = gyro_from_bits(round_bits(gyro_bits(at_least(quotient, 0x1p-126f)), 16));
      break;
    case GYRO_SCALE_POWER_OF_TWO: {
      uint32_t bits = gyro_bits(at_least(quotient, 0x1p-126f));
      scale = gyro_from_bits((bits + 0x007fffffu) & 0x7f800000u);
      break;
    }
    case GYRO_SCALE_E8M0: {
      int32_t exponent =
          (int32_t)(gyro_bits(range) >> 23) - (int32_t)(gyro_bits(span) >> 23) + 127;
      // Code 0, 2^-127, is a subnormal Float32.
      uint32_t bits = exponent > 0 ? (uint32_t)exponent << 23 : 0x00400000u;
      scale = gyro_from_bits(exponent > 254 ? 0x7f800000u : bits);
      break;
    }
    case GYRO_SCALE_E4M3: {
      float part =
          gyro_project_float(quotient / tensor_scale, 448, 121u << 23, (23u - 3u) << 23);
      return at_least(part, 0x1p-9f) * tensor_scale;
    }
    default: scale = at_least(quotient, 0x1p-126f); break;
  }
  return range == 0 ? 1 : scale;
}

float gyro_group_width(float low, float high) {
  float width = high - low;
  return width > 0x1.fffffep127f ? 0x1.fffffep127f : width;
}

float gyro_group_scale(int32_t scale_format, float range, float span, float tensor_scale) {
  return scale_of(scale_format, range, span, tensor_scale);
}

float gyro_tensor_scale(float range, float span) {
  float scale = range / (448 * span);
  // So that the least scale of a group, 2^-9 of this, is not below 2^-126.
  return range == 0 ? 1 : at_least(scale, 0x1p-117f);
}

float gyro_group_zero_point(float low, float scale, float span) {
  return gyro_project_integer(-low / scale, 0, span);
}

GYRO_INLINE void scales_of(int32_t scale_format, float span, float tensor_scale, int64_t groups,
                           float *scales) {
  GYRO_ELEMENTWISE
  for (int64_t g = 0; g < groups; g++)
    scales[g] = scale_of(scale_format, scales[g], span, tensor_scale);
}

GYRO_CLONES
void gyro_run_scales(const gyro_group_quantizer *quantizer, float tensor_scale, int64_t groups,
                     float *scales, float *zero_points) {
  float span = quantizer->span;
  if (zero_points) {
    GYRO_ELEMENTWISE
    for (int64_t g = 0; g < groups; g++) {
      float width = scales[g] - zero_points[g];
      scales[g] = width > 0x1.fffffep127f ? 0x1.fffffep127f : width;
    }
  }
  switch (quantizer->scale_format) {
    case GYRO_SCALE_FLOAT16:
      scales_of(GYRO_SCALE_FLOAT16, span, tensor_scale, groups, scales);
      break;
    case GYRO_SCALE_BFLOAT16:
      scales_of(GYRO_SCALE_BFLOAT16, span, tensor_scale, groups, scales);
      break;
    case GYRO_SCALE_POWER_OF_TWO:
      scales_of(GYRO_SCALE_POWER_OF_TWO, span, tensor_scale, groups, scales);
      break;
    case GYRO_SCALE_E8M0: scales_of(GYRO_SCALE_E8M0, span, tensor_scale, groups, scales); break;
    case GYRO_SCALE_E4M3: scales_of(GYRO_SCALE_E4M3, span, tensor_scale, groups, scales); break;
    default: scales_of(GYRO_SCALE_FLOAT32, span, tensor_scale, groups, scales); break;
  }
  if (zero_points) {
    GYRO_ELEMENTWISE
    for (int64_t g = 0; g < groups; g++)
      zero_points[g] = gyro_project_integer(-zero_points[g] / scales[g], 0, span);
  }
}
