#pragma once
#include <stdint.h>

/// Windows over the planes of [planes, height, width], with padding on all sides.
struct gyro_pooling {
  int64_t planes, height, width;
  int64_t size_y, size_x, stride_y, stride_x, padding_y, padding_x;
  int64_t result_height, result_width;
};

/// The largest element of each window (padding never wins; NaN always does). `places` gets the
/// position of the first such element within the window, row-major: size_y · size_x ≤ 256.
void gyro_max_pool(const struct gyro_pooling *shape, const float *source, float *result,
                   uint8_t *places);

/// Sends each element of `gradient` back to the place its value came from.
void gyro_max_pool_gradient(const struct gyro_pooling *shape, const float *gradient,
                            const uint8_t *places, float *source_gradient);

/// The sum of each window divided by size_y · size_x (padding counts as zeros).
void gyro_average_pool(const struct gyro_pooling *shape, const float *source, float *result);
void gyro_average_pool_gradient(const struct gyro_pooling *shape, const float *gradient,
                                float *source_gradient);

/// means[i] = mean of row i of [rows, columns], accumulated in double precision.
void gyro_row_means(const float *source, int64_t rows, int64_t columns, float *means);
/// destination[i, j] = values[i] · factor.
void gyro_spread_rows(const float *values, float factor, int64_t rows, int64_t columns,
                      float *destination);
