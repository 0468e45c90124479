#pragma once
#include <stdint.h>

// One row without a few of its columns, on the calling thread.

/// ln Σ e^(x · factor) over all columns but those in `skipped` (rising); −infinity when none is
/// left. The largest of the others is taken out of the sum first, so nothing cancels or vanishes
/// however small the others are beside what was skipped.
double gyro_rest_log_sum_exp(const float *x, int64_t columns, const int32_t *skipped,
                             int64_t count, float factor);
