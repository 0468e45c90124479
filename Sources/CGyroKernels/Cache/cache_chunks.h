#pragma once
#include <stdint.h>

// What the packed kernels do to the scales, offsets and weights of a chunk of tokens.

/// The numbers of Float16 codes that are finite; `variant` is one that this processor has.
void cache_widen(int variant, const uint16_t *halves, int64_t count, float *floats);

/// products[i] = a[i] · b[i].
void cache_multiply(const float *a, const float *b, int64_t count, float *products);

/// sums[i] += x[i].
void cache_add(const float *x, int64_t count, float *sums);

/// sums[i] += factor · x[i].
void cache_add_multiple(float factor, const float *x, int64_t count, float *sums);

/// Σ a[i] · b[i] in 16 lanes and a tree.
float cache_dot(const float *a, const float *b, int64_t count);
