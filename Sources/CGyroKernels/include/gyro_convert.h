#pragma once
#include <stdint.h>

/// The number types a checkpoint file may hold, little-endian.
typedef enum {
  gyro_float64,
  gyro_float32,
  gyro_float16,        // IEEE: 5 exponent bits, 10 fraction bits
  gyro_bfloat16,       // 8 exponent bits, 7 fraction bits
  gyro_float8_e4m3,    // no infinity, one NaN code per sign, largest 448
  gyro_float8_e5m2,    // IEEE-like, largest 57344
  gyro_float8_e8m0,    // 2^(code - 127), code 255 is NaN
  gyro_int64,
  gyro_int32,
  gyro_int16,
  gyro_int8,
  gyro_uint64,
  gyro_uint32,
  gyro_uint16,
  gyro_uint8,
  gyro_bool            // one byte, zero or not
} gyro_scalar_type;

/// Reads `count` numbers of `type` as Float32. Exact for every type of 16 bits or fewer; wider ones
/// round to the nearest Float32, ties to even. `source` must be aligned for its type.
void gyro_convert_to_float(const void *source, gyro_scalar_type type, int64_t count,
                           float *destination);

/// Writes `count` Float32 numbers as a floating-point `type`, rounding to nearest, ties to even.
/// Types with an infinity (float16, bfloat16, E5M2) overflow to it. Types without one (E4M3, E8M0)
/// saturate: too large, infinity included, becomes the largest finite number of that sign.
/// NaN stays NaN. E8M0 has neither sign nor zero: zeros become 2^-127, negative numbers NaN.
/// Integer types are not written here. `destination` must be aligned for its type.
void gyro_convert_from_float(const float *source, int64_t count, gyro_scalar_type type,
                             void *destination);

/// The plain definitions the kernels above must equal, for types of 16 bits or fewer: one code to
/// its value, one value to its code.
float gyro_reference_code_to_float(uint32_t code, gyro_scalar_type type);
uint32_t gyro_reference_float_to_code(float value, gyro_scalar_type type);
