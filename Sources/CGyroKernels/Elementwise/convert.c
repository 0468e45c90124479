#include "gyro_convert.h"

#include <math.h>
#include <string.h>

#include "gyro_clones.h"
#include "gyro_parallel.h"

#pragma STDC FP_CONTRACT OFF

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

ALWAYS_INLINE float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

ALWAYS_INLINE float power_of_two(int exponent) {
  return float_of((uint32_t)(127 + exponent) << 23);
}

// MARK: Narrow floating point, sign | exponent | fraction

/// The value of a code with `fraction` fraction bits and exponent bias `bias`; magnitudes from
/// `first_special` up are infinity (when `has_infinity`) and NaN.
ALWAYS_INLINE float widen(uint32_t code, uint32_t sign_bit, int fraction, int bias,
                          uint32_t first_special, int has_infinity) {
  uint32_t magnitude = code & (sign_bit - 1);
  uint32_t sign = (code & sign_bit) != 0 ? 0x80000000u : 0;
  uint32_t normal = (magnitude << (23 - fraction)) + ((uint32_t)(127 - bias) << 23);
  // Below the first normal number the code counts steps of the smallest one; the product is exact.
  uint32_t subnormal = bits_of((float)(int32_t)magnitude * power_of_two(1 - bias - fraction));
  uint32_t bits = magnitude < (1u << fraction) ? subnormal : normal;
  uint32_t special = 0x7f800000u | (has_infinity ? (magnitude - first_special) << (23 - fraction)
                                                 : 0x00400000u);
  bits = magnitude >= first_special ? special : bits;
  return float_of(bits | sign);
}

/// The code nearest to a value, ties to even. `overflow` is the code of everything too large,
/// `nan` the code of NaN; with `keeps_payload` the top bits of a NaN's payload survive.
ALWAYS_INLINE uint32_t narrow(float x, uint32_t sign_bit, int fraction, int bias,
                              uint32_t overflow, uint32_t nan, int keeps_payload) {
  uint32_t bits = bits_of(x), magnitude = bits & 0x7fffffffu;
  int shift = 23 - fraction;
  uint32_t even = (magnitude >> shift) & 1u;
  uint32_t rounded = (magnitude + ((1u << (shift - 1)) - 1u) + even) >> shift;
  uint32_t normal = rounded - ((uint32_t)(127 - bias) << fraction);
  normal = normal > overflow ? overflow : normal;
  // Adding a number whose last place is the smallest code lets the addition do the rounding.
  float anchor = power_of_two(1 - bias + shift);
  uint32_t subnormal = bits_of(float_of(magnitude) + anchor) - bits_of(anchor);
  uint32_t code = magnitude < ((uint32_t)(128 - bias) << 23) ? subnormal : normal;
  uint32_t payload = (magnitude >> shift) & ((1u << fraction) - 1u);
  uint32_t not_a_number = keeps_payload ? nan | payload : nan;
  code = magnitude > 0x7f800000u ? not_a_number : code;
  return code | (bits >> 31 ? sign_bit : 0);
}

ALWAYS_INLINE float widen_float16(uint16_t code) {
  return widen(code, 0x8000u, 10, 15, 0x7c00u, 1);
}
ALWAYS_INLINE float widen_bfloat16(uint16_t code) { return float_of((uint32_t)code << 16); }
ALWAYS_INLINE float widen_e4m3(uint8_t code) { return widen(code, 0x80u, 3, 7, 0x7fu, 0); }
ALWAYS_INLINE float widen_e5m2(uint8_t code) { return widen(code, 0x80u, 2, 15, 0x7cu, 1); }
ALWAYS_INLINE float widen_e8m0(uint8_t code) {
  uint32_t bits = code == 0 ? 0x00400000u : (uint32_t)code << 23;
  return float_of(code == 255 ? 0x7fc00000u : bits);
}

ALWAYS_INLINE uint16_t narrow_float16(float x) {
  return (uint16_t)narrow(x, 0x8000u, 10, 15, 0x7c00u, 0x7e00u, 1);
}
ALWAYS_INLINE uint16_t narrow_bfloat16(float x) {
  uint32_t bits = bits_of(x);
  uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  uint32_t not_a_number = (bits >> 16) | 0x0040u;
  return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? not_a_number : rounded);
}
ALWAYS_INLINE uint8_t narrow_e4m3(float x) {
  return (uint8_t)narrow(x, 0x80u, 3, 7, 0x7eu, 0x7fu, 0);
}
ALWAYS_INLINE uint8_t narrow_e5m2(float x) {
  return (uint8_t)narrow(x, 0x80u, 2, 15, 0x7cu, 0x7eu, 0);
}
/// The midpoint between two powers of two goes to the upper one, as halves of a one-bit
/// significand do when ties go to even.
ALWAYS_INLINE uint8_t narrow_e8m0(float x) {
  uint32_t bits = bits_of(x), magnitude = bits & 0x7fffffffu;
  uint32_t code = (magnitude + 0x00400000u) >> 23;
  // Float32 subnormals are not scaled: 1.5·2^-127 = 0x600000 is where code 1 begins.
  code = magnitude < 0x00800000u ? (magnitude >= 0x00600000u) : code;
  code = code > 254u ? 254u : code;
  int negative = (bits >> 31) != 0 && magnitude != 0;
  return (uint8_t)(magnitude > 0x7f800000u || negative ? 255u : code);
}

// MARK: Rows

#define WIDEN(name, type, expression)                                                    \
  GYRO_CLONES                                                                            \
  static void name(const void *source, int64_t begin, int64_t end, float *destination) { \
    const type *codes = source;                                                          \
    for (int64_t i = begin; i < end; i++) {                                              \
      type code = codes[i];                                                              \
      destination[i] = (expression);                                                     \
    }                                                                                    \
  }

WIDEN(row_float64, double, (float)code)
WIDEN(row_float32, float, code)
WIDEN(row_float16, uint16_t, widen_float16(code))
WIDEN(row_bfloat16, uint16_t, widen_bfloat16(code))
WIDEN(row_e4m3, uint8_t, widen_e4m3(code))
WIDEN(row_e5m2, uint8_t, widen_e5m2(code))
WIDEN(row_e8m0, uint8_t, widen_e8m0(code))
WIDEN(row_int64, int64_t, (float)code)
WIDEN(row_int32, int32_t, (float)code)
WIDEN(row_int16, int16_t, (float)code)
WIDEN(row_int8, int8_t, (float)code)
WIDEN(row_uint64, uint64_t, (float)code)
WIDEN(row_uint32, uint32_t, (float)code)
WIDEN(row_uint16, uint16_t, (float)code)
WIDEN(row_uint8, uint8_t, (float)code)
WIDEN(row_bool, uint8_t, code != 0 ? 1.0f : 0.0f)

#define NARROW(name, type, function)                                                     \
  GYRO_CLONES                                                                            \
  static void name(const float *source, int64_t begin, int64_t end, void *destination) { \
    type *codes = destination;                                                           \
    for (int64_t i = begin; i < end; i++) codes[i] = function(source[i]);                \
  }

NARROW(to_float64, double, (double))
NARROW(to_float32, float, )
NARROW(to_float16, uint16_t, narrow_float16)
NARROW(to_bfloat16, uint16_t, narrow_bfloat16)
NARROW(to_e4m3, uint8_t, narrow_e4m3)
NARROW(to_e5m2, uint8_t, narrow_e5m2)
NARROW(to_e8m0, uint8_t, narrow_e8m0)

typedef void (*WidenRow)(const void *, int64_t, int64_t, float *);
typedef void (*NarrowRow)(const float *, int64_t, int64_t, void *);

static const WidenRow widen_rows[] = {
    [gyro_float64] = row_float64,       [gyro_float32] = row_float32,
    [gyro_float16] = row_float16,       [gyro_bfloat16] = row_bfloat16,
    [gyro_float8_e4m3] = row_e4m3,      [gyro_float8_e5m2] = row_e5m2,
    [gyro_float8_e8m0] = row_e8m0,      [gyro_int64] = row_int64,
    [gyro_int32] = row_int32,           [gyro_int16] = row_int16,
    [gyro_int8] = row_int8,             [gyro_uint64] = row_uint64,
    [gyro_uint32] = row_uint32,         [gyro_uint16] = row_uint16,
    [gyro_uint8] = row_uint8,           [gyro_bool] = row_bool,
};

static const NarrowRow narrow_rows[] = {
    [gyro_float64] = to_float64,     [gyro_float32] = to_float32,     [gyro_float16] = to_float16,
    [gyro_bfloat16] = to_bfloat16,   [gyro_float8_e4m3] = to_e4m3,    [gyro_float8_e5m2] = to_e5m2,
    [gyro_float8_e8m0] = to_e8m0,
};

typedef struct {
  const void *source;
  void *destination;
  gyro_scalar_type type;
} Conversion;

static void widen_range(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Conversion *job = context;
  widen_rows[job->type](job->source, begin, end, job->destination);
}

static void narrow_range(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Conversion *job = context;
  narrow_rows[job->type](job->source, begin, end, job->destination);
}

enum { minimum_per_thread = 65536 };

void gyro_convert_to_float(const void *source, gyro_scalar_type type, int64_t count,
                           float *destination) {
  Conversion job = {source, destination, type};
  gyro_parallel_for(count, minimum_per_thread, widen_range, &job);
}

void gyro_convert_from_float(const float *source, int64_t count, gyro_scalar_type type,
                             void *destination) {
  Conversion job = {source, destination, type};
  gyro_parallel_for(count, minimum_per_thread, narrow_range, &job);
}

// MARK: Plain definitions

typedef struct {
  int bits, fraction, bias;
  uint32_t largest;  // code of the largest finite magnitude
  int has_infinity;
} Layout;

static Layout layout_of(gyro_scalar_type type) {
  switch (type) {
    case gyro_float16: return (Layout){16, 10, 15, 0x7bff, 1};
    case gyro_bfloat16: return (Layout){16, 7, 127, 0x7f7f, 1};
    case gyro_float8_e4m3: return (Layout){8, 3, 7, 0x7e, 0};
    default: return (Layout){8, 2, 15, 0x7b, 1};
  }
}

float gyro_reference_code_to_float(uint32_t code, gyro_scalar_type type) {
  if (type == gyro_float8_e8m0) return code == 255 ? NAN : (float)ldexp(1, (int)code - 127);
  Layout layout = layout_of(type);
  uint32_t sign_bit = 1u << (layout.bits - 1), magnitude = code & (sign_bit - 1);
  double sign = code & sign_bit ? -1 : 1;
  if (magnitude > layout.largest)
    return layout.has_infinity && magnitude == layout.largest + 1 ? (float)(sign * INFINITY) : NAN;
  uint32_t exponent = magnitude >> layout.fraction, one = 1u << layout.fraction;
  uint32_t fraction = magnitude & (one - 1);
  double value = exponent == 0
                     ? ldexp(fraction, 1 - layout.bias - layout.fraction)
                     : ldexp(one + fraction, (int)exponent - layout.bias - layout.fraction);
  return (float)(sign * value);
}

uint32_t gyro_reference_float_to_code(float value, gyro_scalar_type type) {
  if (type == gyro_float8_e8m0) {
    if (isnan(value) || value < 0) return 255;
    if (value < 0x1.8p-127f) return 0;
    if (value >= 0x1p127f) return 254;
    int exponent;
    double significand = frexp(value, &exponent);  // in [0.5, 1)
    return (uint32_t)(exponent - 1 + (significand >= 0.75) + 127);
  }
  Layout layout = layout_of(type);
  uint32_t sign = signbit(value) ? 1u << (layout.bits - 1) : 0;
  if (isnan(value)) return sign | ((1u << (layout.bits - 1)) - 1u);
  uint32_t overflow = layout.has_infinity ? layout.largest + 1 : layout.largest;
  if (isinf(value)) return sign | overflow;
  double magnitude = fabs((double)value);
  int exponent = magnitude == 0 ? 1 - layout.bias : ilogb(magnitude);
  if (exponent < 1 - layout.bias) exponent = 1 - layout.bias;
  double steps = nearbyint(ldexp(magnitude, layout.fraction - exponent));
  // Codes of neighbouring binades follow each other, so a carry out of the fraction is right too.
  double code = steps + ldexp(exponent + layout.bias - 1, layout.fraction);
  return sign | (code > layout.largest ? overflow : (uint32_t)code);
}
