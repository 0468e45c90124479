#pragma once
#include <stdint.h>

/// Scaled dot-product attention with grouped heads (Vaswani et al., 2017; Ainslie et al., 2023).
///
/// queries [batch, queries, query_heads · head_size], keys and values
/// [batch, keys, key_heads · head_size]; query head h reads key head h / (query_heads / key_heads).
/// With `causal`, query i sees the keys up to i + keys − queries, so that the last query sees all.
typedef struct {
  int64_t batch, queries, keys, query_heads, key_heads, head_size;
  int32_t causal;
  float scale;
} gyro_attention;

/// Floats of scratch memory that a thread needs for `gyro_attention_forward`.
int64_t gyro_attention_forward_scratch(const gyro_attention *attention);

/// output = softmax(scale · q kᵀ) v, shaped like the queries, and the logarithm of each softmax's
/// denominator [batch, query_heads, queries] (may be NULL).
///
/// Runs over blocks of keys with a running maximum (Milakov & Gimelshein, 2018; Dao et al., 2022),
/// so no matrix of queries × keys exists. `scratch` has room for every thread.
void gyro_attention_forward(const gyro_attention *attention, const float *queries,
                            const float *keys, const float *values, float *output,
                            float *log_sums, float *scratch);

/// Floats of scratch memory that a thread needs for `gyro_attention_backward`.
int64_t gyro_attention_backward_scratch(const gyro_attention *attention);

/// The gradients of queries, keys and values given that of the output; those that are NULL are not
/// computed. The probabilities are computed again from the logarithms of the sums.
void gyro_attention_backward(const gyro_attention *attention, const float *queries,
                             const float *keys, const float *values, const float *output,
                             const float *log_sums, const float *output_gradient,
                             float *query_gradient, float *key_gradient, float *value_gradient,
                             float *scratch);
