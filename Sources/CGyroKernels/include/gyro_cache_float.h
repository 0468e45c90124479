#pragma once
#include <stdint.h>

// Keys and values as they are: the caches that others are measured against, and the most recent
// tokens of those others.

/// Rows of floats: token t of head h lies in slot t mod `slots`.
typedef struct {
  void *rows;       // [heads][slots][head_size] Float32 or Float16
  int32_t is_half;  // Float16
  int64_t heads, slots, head_size;
  int64_t first, tokens;  // tokens first ..< first + tokens are looked at, at most `slots`
} gyro_float_rows;

/// Stores `count` tokens [heads · head_size] as tokens `first` and following.
void gyro_float_store(const gyro_float_rows *rows, const float *source, int64_t first,
                      int64_t count);

/// Reads tokens back as floats: destination [count][heads · head_size].
void gyro_float_load(const gyro_float_rows *rows, int64_t first, int64_t count,
                     float *destination);

/// scores[q][h][t − first] = ⟨queries[q][h], row t⟩; rows of scores are `stride` apart.
void gyro_float_scores(const gyro_float_rows *rows, const float *queries, int64_t count,
                       int64_t query_heads, float *scores, int64_t stride);

/// The floats a workspace for gyro_float_sum needs.
int64_t gyro_float_workspace(const gyro_float_rows *rows, int64_t queries, int64_t query_heads);

/// result[q][h][c] += Σ_t weights[q][h][t − first] · row t.
void gyro_float_sum(const gyro_float_rows *rows, const float *weights, int64_t stride,
                    int64_t queries, int64_t query_heads, float *workspace, float *result);
