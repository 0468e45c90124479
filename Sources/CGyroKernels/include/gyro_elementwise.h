#pragma once
#include <stdint.h>

/// Functions of two numbers.
enum gyro_binary_op {
  GYRO_ADD,
  GYRO_SUBTRACT,
  GYRO_MULTIPLY,
  GYRO_DIVIDE,
  GYRO_MAXIMUM,
  GYRO_MINIMUM,
};

/// Functions of one number.
enum gyro_unary_op {
  GYRO_NEGATE,
  GYRO_ABSOLUTE,
  GYRO_SQUARE,
  GYRO_SQUARE_ROOT,
  GYRO_EXP,
  GYRO_LOG,
  GYRO_TANH,
  GYRO_ERF,
  GYRO_SIGMOID,
  GYRO_SILU,
  GYRO_GELU,
  GYRO_GELU_TANH,
  GYRO_RELU,
  GYRO_RELU6,
  GYRO_ROUND,
};

/// destination = a op b over `extents` (rank ≤ 8), row-major; the strides are in elements and 0
/// along a stretched axis. The destination may be an operand that is itself row-major.
void gyro_binary(enum gyro_binary_op op, const float *a, const int64_t *a_strides, const float *b,
                 const int64_t *b_strides, const int64_t *extents, int32_t rank,
                 float *destination);

/// destination[i] = op(x[i]); may be in place.
void gyro_unary(enum gyro_unary_op op, const float *x, int64_t count, float *destination);

/// destination[i] = cotangent[i] · op′(x[i]); may be in place. At a kink the derivative is 0
/// (abs, relu, relu6); that of rounding is 0 everywhere.
void gyro_unary_gradient(enum gyro_unary_op op, const float *x, const float *cotangent,
                         int64_t count, float *destination);

/// destination[i] = x[i] · factor + term (rounded twice); may be in place.
void gyro_affine(const float *x, int64_t count, float factor, float term, float *destination);

/// destination[i] = numerator / x[i]; may be in place.
void gyro_divide_into(float numerator, const float *x, int64_t count, float *destination);

/// target[i] += source[i] · factor.
void gyro_add_scaled(float *target, const float *source, int64_t count, float factor);

/// destination[i] = (a[i] − b[i]) · factor; may be in place.
void gyro_scaled_difference(const float *a, const float *b, int64_t count, float factor,
                            float *destination);

/// destination[i] = min(max(x[i], low), high); NaN stays.
void gyro_clamp(const float *x, int64_t count, float low, float high, float *destination);

/// destination[i] = low ≤ x[i] ≤ high ? cotangent[i] : 0; may be in place.
void gyro_clamp_gradient(const float *x, const float *cotangent, int64_t count, float low,
                         float high, float *destination);

/// destination[i] = value.
void gyro_fill(float *destination, int64_t count, float value);

/// Copies `rows` runs of `length` floats between places that lie a pitch apart.
void gyro_copy_runs(const float *source, int64_t source_pitch, float *destination,
                    int64_t destination_pitch, int64_t rows, int64_t length);
