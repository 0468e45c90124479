#pragma once
#include <stdint.h>

/// The Walsh–Hadamard transform of each run of `power` floats in `count`, after multiplication by
/// `factors` (or by `scale` when NULL). `y` may be `x`.
void gyro_walsh_runs(const float *x, float *y, int64_t count, int64_t power,
                     const float *factors, float scale);

/// For each of `outer` items [order, inner]: the core along the first axis, in place. `scratch` holds
/// `gyro_core_scratch(order)` floats, 64-byte aligned.
void gyro_core_items(float *y, int64_t outer, int32_t order, int64_t inner, const uint8_t *codes,
                     float *scratch);
int64_t gyro_core_scratch(int32_t order);

/// The same for a dense matrix [order, order]; it needs as much scratch.
void gyro_dense_items(float *y, int64_t outer, int32_t order, int64_t inner, const float *matrix,
                      float *scratch);
