#pragma once
#include <stdint.h>

#include "gyro_number_format.h"

// Simulated quantization of groups of neighbors that share a scale: every number format, every type
// of scale.

/// The types scales are stored in.
enum {
  /// range / span, at least 2^-126.
  GYRO_SCALE_FLOAT32 = 0,
  /// The same rounded to half precision, at least its least normal number.
  GYRO_SCALE_FLOAT16 = 1,
  /// The same rounded to bfloat16.
  GYRO_SCALE_BFLOAT16 = 2,
  /// The least power of two that is not below range / span.
  GYRO_SCALE_POWER_OF_TWO = 3,
  /// 2^(floor(log2 range) - floor(log2 span)), from 2^-127 to 2^127.
  GYRO_SCALE_E8M0 = 4,
  /// An E4M3 number, at least its least positive one, times a scale of the whole tensor.
  GYRO_SCALE_E4M3 = 5,
};

/// What is written for each element.
enum {
  /// Float32: the projected value times the scale.
  GYRO_OUTPUT_VALUES = 0,
  /// One byte: the code in the low bits.
  GYRO_OUTPUT_CODES = 1,
  /// One signed byte: the whole number of a symmetric integer format.
  GYRO_OUTPUT_SIGNED = 2,
};

typedef struct {
  gyro_number_format format;
  /// One of GYRO_SCALE_….
  int32_t scale_format;
  /// Whether codes are 0 … span around a zero point: whole numbers only.
  int32_t is_asymmetric;
  /// What a group's range is divided by: the format's largest number, or 2^bits - 1 if asymmetric.
  float span;
  /// Under GYRO_SCALE_E4M3, the scale of the whole tensor where it is given, e.g. because several
  /// tensors share it; groups that reach beyond saturate. 0 where it follows from the tensor.
  float tensor_scale;
} gyro_group_quantizer;

/// The width of a range, low <= 0 <= high; never infinite.
float gyro_group_width(float low, float high);

/// The scale of a group: `range` is its largest magnitude, or its width if asymmetric. 1 for a
/// range of 0 (but for E4M3). Infinite when the type does not reach so far.
float gyro_group_scale(int32_t scale_format, float range, float span, float tensor_scale);

/// The scale of a tensor under GYRO_SCALE_E4M3, range / (448 · span), at least 2^-117.
float gyro_tensor_scale(float range, float span);

/// The zero point of an asymmetric group, round(-low / scale) in 0 … span.
float gyro_group_zero_point(float low, float scale, float span);

/// The scales of `groups` runs of `length` elements; `zero_points` is NULL if symmetric.
/// `tensor_scale` is written, as 1 but for GYRO_SCALE_E4M3.
/// Returns 0, or 1 + the index of the first group that holds a value that is not finite, or
/// -(1 + the index of the first group whose scale is too large for its type).
int64_t gyro_group_scales(const gyro_group_quantizer *quantizer, const float *source,
                          int64_t groups, int64_t length, float *scales, float *zero_points,
                          float *tensor_scale);

/// Projects `groups` runs of `length` elements, under scales worked out from them first
/// (`is_dynamic`, then scales are written) or under given ones. `output` is of the type that
/// `output_kind` says. Returns as gyro_group_scales does; the output is then meaningless.
int64_t gyro_quantize_groups(const gyro_group_quantizer *quantizer, const float *source,
                             int64_t groups, int64_t length, int32_t is_dynamic, float *scales,
                             float *zero_points, float *tensor_scale, int32_t output_kind,
                             void *output);

/// value = (table[code] - zero point) · scale; `zero_points` may be NULL, `table` has 256 entries.
void gyro_decode_groups(const float *table, const uint8_t *codes, int64_t groups, int64_t length,
                        const float *scales, const float *zero_points, float *destination);

/// destination = code · scale of its row.
void gyro_dequantize_rows_int8(const int8_t *codes, const float *scales, int64_t rows,
                               int64_t columns, float *destination);

/// The plain loops that the kernels above must equal, bit for bit.
float gyro_reference_group_scale(int32_t scale_format, float range, float span,
                                 float tensor_scale);
int64_t gyro_reference_quantize_groups(const gyro_group_quantizer *quantizer, const float *source,
                                       int64_t groups, int64_t length, int32_t is_dynamic,
                                       float *scales, float *zero_points, float *tensor_scale,
                                       int32_t output_kind, void *output);
