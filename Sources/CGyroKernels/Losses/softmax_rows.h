#pragma once
#include <stdint.h>

// Parts shared by the softmax family; one row each, on the calling thread.

/// The largest element; a row of NaN gives −infinity.
float gyro_row_maximum(const float *x, int64_t count);

/// Σ e^((x − maximum) · factor): 16 float lanes within blocks of 4096, double across blocks.
double gyro_row_exp_sum(const float *x, int64_t count, float maximum, float factor);
