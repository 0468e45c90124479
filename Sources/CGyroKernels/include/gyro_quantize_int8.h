#pragma once
#include <stdint.h>

/// Symmetric int8 per row: scale = max|x| / 127 (1 for a row of zeros), code = x / scale rounded
/// half to even, in [-127, 127]. Returns 0, or 1 + the index of the first row that holds a value
/// that is not finite (its codes are then meaningless).
int64_t gyro_quantize_rows_int8(const float *source, int64_t rows, int64_t columns, int8_t *codes,
                                float *scales);

/// The plain loop the kernel above must equal, bit for bit.
int64_t gyro_reference_quantize_rows_int8(const float *source, int64_t rows, int64_t columns,
                                          int8_t *codes, float *scales);

/// destination = code · scale of its row.
void gyro_dequantize_rows_int8(const int8_t *codes, const float *scales, int64_t rows,
                               int64_t columns, float *destination);
