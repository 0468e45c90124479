#pragma once
#include <stdint.h>

/// How the values of a number format lie on the line, in the format's own units.
enum {
  /// Whole numbers from `lowest` to `largest`.
  GYRO_FORMAT_INTEGERS = 0,
  /// Steps that double with each power of two.
  GYRO_FORMAT_FLOATS = 1,
  /// A list of levels.
  GYRO_FORMAT_LEVELS = 2,
};

/// What a kernel needs to know of a format. Values beyond `lowest … largest` saturate.
typedef struct {
  int32_t kind;
  float lowest, largest;
  /// Bits of a code, at most 8; of a float's code the top one is the sign.
  int32_t bits;
  /// Floats: bits of the mantissa, and the exponent of the smallest normal number.
  int32_t mantissa_bits, smallest_exponent;
  /// Levels in rising order; `thresholds[i]` lies halfway between levels i and i+1 and belongs to
  /// the upper one.
  int32_t level_count;
  const float *levels, *thresholds;
} gyro_number_format;
