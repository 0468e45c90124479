#pragma once
#include <stdint.h>

/// Rotates the pairs (j, j + size / 2) of every head (Su et al., 2021) by the angles of its token's
/// position: x [sequences, time, heads · size], token t of each sequence at row `first + t` of the
/// tables [positions, size / 2]. With `backward` the angles change sign, which undoes the rotation
/// and is its transpose.
void gyro_rope(const float *x, const float *cosines, const float *sines, int64_t sequences,
               int64_t time, int64_t heads, int64_t size, int64_t first, int32_t backward,
               float *y);
