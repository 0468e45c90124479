#pragma once
#include <stdint.h>

// The two inner kernels of convolution. Both multiply rows that are given by shifts from one base
// pointer, read in vectors of 16, and use fused multiply-add where the processor has it: like the
// matrix product, a convolution is rounded differently on different instruction sets.

enum { row_product_rows = 8, row_product_width = 48, correlation_rows = 4, correlation_taps = 6 };

/// results[r][i] = start[r] + Σ_k weights[k][r] · base[shifts[k] + i] for 8 rows r (`pitch` apart)
/// and i below 16 · vectors (1 to 3 vectors).
void gyro_multiply_rows(const float *weights, const int64_t *shifts, int64_t count,
                        const float *base, const float *start, int vectors, float *results,
                        int64_t pitch);

/// sums[r][t] = Σ_i rows[r · pitch + i] · base[shifts[t] + i] for 4 rows r, 6 taps t and i below
/// `extent`, a multiple of 16.
void gyro_correlate_rows(const float *rows, int64_t pitch, const float *base,
                         const int64_t *shifts, int64_t extent,
                         float sums[correlation_rows][correlation_taps]);

/// results[i] = start + Σ_k weights[k] · base[shifts[k] + i] for i below `extent`, a multiple
/// of 16.
void gyro_combine_rows(const float *weights, const int64_t *shifts, int64_t count,
                       const float *base, float start, int64_t extent, float *results);

/// sums[k] = Σ_i row[i] · base[shifts[k] + i] for i below `extent`, a multiple of 16.
void gyro_correlate_row(const float *row, const float *base, const int64_t *shifts, int64_t count,
                        int64_t extent, float *sums);
