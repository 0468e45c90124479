#pragma once
#include <stdint.h>

// What a rotated cache does to rows before they become codes.

/// `y[n, j] = Σ_i x[n, i] · matrix[i, j]`, each sum in the order of i: a row's bits do not depend
/// on the rows beside it, on the instruction set or on the thread count.
void gyro_cache_rotate(const float *x, int64_t rows, int64_t inner, const float *matrix,
                       int64_t outer, float *y);

/// Rounds unit vectors to centroids. Of each row `[width]` the norm is taken and stored as Float16;
/// code[i] counts the `count` rising thresholds that x[i] / norm is above. `residual`, unless NULL,
/// receives x[i] − (stored norm) · levels[code[i]].
void gyro_turbo_encode(const float *x, int64_t rows, int32_t width, const float *thresholds,
                       int32_t count, const float *levels, uint8_t *codes, uint16_t *norms,
                       float *residual);
void gyro_reference_turbo_encode(const float *x, int64_t rows, int32_t width,
                                 const float *thresholds, int32_t count, const float *levels,
                                 uint8_t *codes, uint16_t *norms, float *residual);

/// Signs of a sketch: code 1 where `sketch` is above 0; the norm of `residual`'s row as Float16.
void gyro_turbo_signs(const float *sketch, const float *residual, int64_t rows, int32_t width,
                      uint8_t *codes, uint16_t *norms);

/// The first row whose norm is above `limit`, and its norm; −1 when none is.
int64_t gyro_cache_long_row(const float *x, int64_t rows, int64_t width, float limit, float *norm);
