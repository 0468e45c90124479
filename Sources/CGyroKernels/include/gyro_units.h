#pragma once
#include <stdint.h>

#include "gyro_quantize.h"

// Units: the numbers of small formats as bfloat16 bit patterns (the upper half of a Float32's),
// value = unit · scale. See UnitGrid.

/// units[r][c] = values[r][c] / row_scale[r], the nearest bfloat16 number; `row_scale` may be NULL,
/// for 1. Returns 0, or 1 + the index of the first row with a value that is not unit · scale
/// (rounded once) exactly.
int64_t gyro_units_from_values(const float *values, int64_t rows, int64_t columns,
                               const float *row_scale, uint16_t *units);

/// destination = unit · scale of its row.
void gyro_values_of_units(const uint16_t *units, const float *row_scale, int64_t rows,
                          int64_t columns, float *destination);

/// Projects `groups` runs of `length` elements as gyro_quantize_groups does, with the same
/// returns, but writes bfloat16 units. Without `has_scaled_units`, unit = number of the format and
/// value = unit · scale of the group: for groups that are rows of the grid. With it, unit =
/// number · scale, for small groups: a power of two, or the E4M3 part of a scale, where value =
/// unit · tensor_scale.
///
/// `is_exact` becomes 0 when a unit has more than bfloat16's eight significant bits (it was
/// truncated). Values equal gyro_quantize_groups bit for bit.
int64_t gyro_quantize_units(const gyro_group_quantizer *quantizer, const float *source,
                            int64_t groups, int64_t length, int32_t is_dynamic,
                            int32_t has_scaled_units, float *scales, float *zero_points,
                            float *tensor_scale, uint16_t *units, int32_t *is_exact);
