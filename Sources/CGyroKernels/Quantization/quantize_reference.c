#include <math.h>
#include <string.h>

#include "gyro_quantize.h"

#pragma STDC FP_CONTRACT OFF

// The plain definition of simulated quantization: one element after another, with the library's
// rounding. The fast kernels must give the same bits.

/// Rounds a positive number half to even to `mantissa_bits`, with the steps of 2^smallest below it.
static float round_to(double x, int mantissa_bits, int smallest) {
  int exponent = x > 0 ? ilogb(x) : smallest;
  if (exponent < smallest) exponent = smallest;
  double step = ldexp(1, exponent - mantissa_bits);
  return (float)(nearbyint(x / step) * step);
}

float gyro_reference_group_scale(int32_t scale_format, float range, float span,
                                 float tensor_scale) {
  float quotient = range / span;
  if (scale_format == GYRO_SCALE_E4M3) {
    float part = round_to(quotient / tensor_scale, 3, -6);
    return (part == 0 ? 0x1p-9f : fminf(part, 448)) * tensor_scale;
  }
  if (range == 0) return 1;
  switch (scale_format) {
    case GYRO_SCALE_FLOAT16: {
      float scale = fmaxf(round_to(quotient, 10, -14), 0x1p-14f);
      return scale > 65504 ? INFINITY : scale;
    }
    case GYRO_SCALE_BFLOAT16: return fmaxf(round_to(quotient, 7, -126), 0x1p-126f);
    case GYRO_SCALE_POWER_OF_TWO: {
      int exponent;
      double fraction = frexp(quotient, &exponent);  // quotient = fraction · 2^exponent, from 1/2
      if (fraction == 0.5) exponent--;
      return fmaxf((float)ldexp(1, exponent), 0x1p-126f);
    }
    case GYRO_SCALE_E8M0: {
      int exponent = ilogb(range) - ilogb(span);
      return exponent > 127 ? INFINITY : (float)ldexp(1, exponent < -127 ? -127 : exponent);
    }
    default: return fmaxf(quotient, 0x1p-126f);
  }
}

static float group_range(const gyro_group_quantizer *quantizer, const float *x, int64_t length,
                         float *low) {
  float high = 0;
  *low = 0;
  for (int64_t i = 0; i < length; i++) {
    if (!isfinite(x[i])) return NAN;
    *low = fminf(*low, x[i]);
    high = fmaxf(high, x[i]);
  }
  return quantizer->is_asymmetric ? gyro_group_width(*low, high) : fmaxf(-*low, high);
}

/// The nearest number of the format, and its code.
static float project(const gyro_number_format *format, float value, int32_t *code) {
  int32_t mask = (1 << format->bits) - 1;
  if (format->kind == GYRO_FORMAT_INTEGERS) {
    float number = nearbyintf(fminf(fmaxf(value, format->lowest), format->largest)) + 0.0f;
    *code = (int32_t)number & mask;
    return number;
  }
  if (format->kind == GYRO_FORMAT_FLOATS) {
    int mantissa = format->mantissa_bits, smallest = format->smallest_exponent;
    float number = round_to(fminf(fabsf(value), format->largest), mantissa, smallest);
    int exponent = number >= ldexpf(1, smallest) ? ilogbf(number) : smallest;
    // A normal number's leading one adds one to the exponent's code, which is 0 below `smallest`.
    *code = (int32_t)ldexpf(number, mantissa - exponent) + ((exponent - smallest) << mantissa);
    if (signbit(value)) *code |= 1 << (format->bits - 1);
    return copysignf(number, value);
  }
  int32_t index = 0;
  while (index + 1 < format->level_count && value >= format->thresholds[index]) index++;
  *code = index;
  return format->levels[index];
}

int64_t gyro_reference_quantize_groups(const gyro_group_quantizer *quantizer, const float *source,
                                       int64_t groups, int64_t length, int32_t is_dynamic,
                                       float *scales, float *zero_points, float *tensor_scale,
                                       int32_t output_kind, void *output) {
  const gyro_number_format *format = &quantizer->format;
  float span = quantizer->span, whole = 0, low;
  for (int64_t group = 0; group < groups; group++) {
    float range = group_range(quantizer, source + group * length, length, &low);
    if (isnan(range)) return group + 1;
    whole = fmaxf(whole, range);
  }
  if (is_dynamic) {
    *tensor_scale = 1;
    if (quantizer->scale_format == GYRO_SCALE_E4M3)
      *tensor_scale = quantizer->tensor_scale > 0 ? quantizer->tensor_scale
                                                  : gyro_tensor_scale(whole, span);
  }
  for (int64_t group = 0; group < groups; group++) {
    const float *x = source + group * length;
    if (is_dynamic) {
      float range = group_range(quantizer, x, length, &low);
      float scale =
          gyro_reference_group_scale(quantizer->scale_format, range, span, *tensor_scale);
      if (isinf(scale)) return -(group + 1);
      scales[group] = scale;
      if (zero_points) zero_points[group] = fminf(nearbyintf(-low / scale), span) + 0.0f;
    }
    float scale = scales[group], part = scale, rest = 1;
    if (quantizer->scale_format == GYRO_SCALE_E4M3) {
      rest = *tensor_scale;
      part = round_to(scale / rest, 3, -6);
    }
    for (int64_t i = 0; i < length; i++) {
      int64_t place = group * length + i;
      int32_t code;
      float number;
      if (zero_points) {
        float zero = zero_points[group];
        number = nearbyintf(fminf(fmaxf(x[i] / scale, -zero), span - zero)) + 0.0f;
        code = (int32_t)(number + zero);
      } else {
        number = project(format, x[i] / scale, &code);
      }
      if (output_kind == GYRO_OUTPUT_VALUES) ((float *)output)[place] = number * part * rest;
      else if (output_kind == GYRO_OUTPUT_CODES) ((uint8_t *)output)[place] = (uint8_t)code;
      else ((int8_t *)output)[place] = (int8_t)number;
    }
  }
  return 0;
}
