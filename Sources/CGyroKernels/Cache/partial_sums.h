#pragma once
#include <stdint.h>

enum { gyro_partial_rows = 16 };  // queries handled at a time, which bounds the workspace

/// result[i] += Σ partial[part][i], first part to last.
void gyro_add_partial_sums(const float *partial, int64_t parts, int64_t count, float *result);
