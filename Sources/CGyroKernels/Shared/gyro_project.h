#pragma once
#include "gyro_lanes.h"
#include "gyro_number_format.h"

// The projections of the three kinds of number formats, one element at a time and without branches,
// so that loops over them vectorise. Rounds half to even, saturates, keeps no NaN out.

/// Adding and taking away 1.5·2^23 rounds to the nearest even whole number without a library call,
/// and leaves no negative zero.
GYRO_INLINE float gyro_project_integer(float value, float lowest, float largest) {
  const float magic = 12582912.0f;
  value = value < lowest ? lowest : value;
  value = value > largest ? largest : value;
  return (value + magic) - magic;
}

/// The same with a magic number of the value's own power of two, on the magnitude, so that the sign
/// of zero stays. `smallest` is the bits of 2^smallest_exponent, `shift` is (23 − mantissa_bits)
/// places of an exponent: `(23 − mantissa_bits) << 23`.
GYRO_INLINE float gyro_project_float(float value, float largest, uint32_t smallest,
                                     uint32_t shift) {
  uint32_t bits = gyro_bits(value), sign = bits & 0x80000000u;
  float magnitude = gyro_from_bits(bits & 0x7fffffffu);
  magnitude = magnitude > largest ? largest : magnitude;
  uint32_t power = gyro_bits(magnitude) & 0x7f800000u;
  power = power < smallest ? smallest : power;
  float magic = gyro_from_bits((power + shift) | 0x00400000u);
  return gyro_from_bits(gyro_bits((magnitude + magic) - magic) | sign);
}

/// The code of a float that lies on its grid: `smallest` is the bits of 2^smallest_exponent. Adding
/// that power to a number below it lines its steps up with those just above, so the top bits of
/// either are the code, but for the leading one that only a normal number has.
GYRO_INLINE uint8_t gyro_float_code(float number, uint32_t smallest, int32_t mantissa_bits,
                                    int32_t bits) {
  uint32_t all = gyro_bits(number), magnitude = all & 0x7fffffffu;
  uint32_t is_normal = magnitude >= smallest;
  float lifted = gyro_from_bits(magnitude) + gyro_from_bits(is_normal ? 0 : smallest);
  uint32_t code = ((gyro_bits(lifted) - smallest) >> (23 - mantissa_bits)) +
                  (is_normal << mantissa_bits);
  return (uint8_t)(code | all >> 31 << (bits - 1));
}

/// The E4M3 part of a scale of two levels. The quotient is off by a rounding at most, and the nearest
/// number is the part.
GYRO_INLINE float gyro_scale_part(float scale, float tensor_scale) {
  return gyro_project_float(scale / tensor_scale, 448, 121u << 23, 20u << 23);
}

/// The level of a value by counting the thresholds that are not above it: for short lists.
GYRO_INLINE int32_t gyro_level_index(float value, const float *thresholds, int32_t level_count) {
  int32_t index = 0;
  for (int32_t i = 0; i + 1 < level_count; i++) index += value >= thresholds[i];
  return index;
}

/// Any format; the kind is the same for all elements, so a loop should be written once per kind.
GYRO_INLINE float gyro_project(const gyro_number_format *format, float value) {
  if (format->kind == GYRO_FORMAT_INTEGERS)
    return gyro_project_integer(value, format->lowest, format->largest);
  if (format->kind == GYRO_FORMAT_FLOATS)
    return gyro_project_float(value, format->largest,
                              (uint32_t)(format->smallest_exponent + 127) << 23,
                              (uint32_t)(23 - format->mantissa_bits) << 23);
  return format->levels[gyro_level_index(value, format->thresholds, format->level_count)];
}
