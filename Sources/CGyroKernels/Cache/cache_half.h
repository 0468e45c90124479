#pragma once
#include "gyro_lanes.h"

// Float16 (5 exponent bits, 10 fraction bits) for the scales and norms of caches. Inputs are finite
// and at most 65504 in magnitude.

/// The value of a code that is neither infinite nor NaN; vectorises, and meets no subnormal floats.
GYRO_INLINE float half_to_float(uint16_t code) {
  uint32_t magnitude = code & 0x7fffu;
  uint32_t normal = (magnitude << 13) + (112u << 23);
  uint32_t subnormal = gyro_bits((float)(int32_t)magnitude * 0x1p-24f);
  uint32_t bits = magnitude < 0x400u ? subnormal : normal;
  return gyro_from_bits(bits | (uint32_t)(code & 0x8000u) << 16);
}

/// The nearest code, ties to even.
GYRO_INLINE uint16_t float_to_half(float x) {
  uint32_t bits = gyro_bits(x), magnitude = bits & 0x7fffffffu;
  uint32_t sign = bits >> 16 & 0x8000u;
  // Below 2⁻¹⁴ steps are 2⁻²⁴: adding 0.5 leaves their number in the low bits of the fraction.
  uint32_t subnormal = gyro_bits(gyro_from_bits(magnitude) + 0.5f) - gyro_bits(0.5f);
  uint32_t normal = (magnitude - (112u << 23) + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
  return (uint16_t)(sign | (magnitude < (113u << 23) ? subnormal : normal));
}

/// The next code towards −∞.
GYRO_INLINE uint16_t half_before(uint16_t code) {
  if (code & 0x8000u) return (uint16_t)(code + 1);
  return code ? (uint16_t)(code - 1) : (uint16_t)0x8001u;
}

/// The largest code whose value is not above x.
GYRO_INLINE uint16_t half_not_above(float x) {
  uint16_t code = float_to_half(x);
  return half_to_float(code) > x ? half_before(code) : code;
}

/// The smallest code whose value is not below x ≥ 0.
GYRO_INLINE uint16_t half_not_below(float x) {
  uint16_t code = float_to_half(x);
  return half_to_float(code) < x ? (uint16_t)(code + 1) : code;
}
