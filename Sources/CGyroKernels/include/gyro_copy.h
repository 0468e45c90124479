#pragma once
#include <stdint.h>

/// Copies a strided view (rank ≤ 8, strides in elements) into row-major order.
void gyro_copy_strided(const float *source, const int64_t *extents, const int64_t *strides,
                       int32_t rank, float *destination);
