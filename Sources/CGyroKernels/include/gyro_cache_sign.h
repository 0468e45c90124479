#pragma once
#include <stdint.h>

#include "gyro_cache_variant.h"

// Sketches of keys as one bit per row, and inner products with them.
//
// Signs lie in blocks of 16 tokens: for each 32 rows of the sketch one word of every token, so that
// a vector holds the same rows of 16 tokens. Four rows at a time index a table of the 16 sums
// ±a ± b ± c ± d of a query's projections; nothing is unpacked.
//
//   codes [heads][blocks][rows / 32][16], bit i of word w: row 32w + i, set when the projection > 0
//
// Order of additions, the same in every variant: four rows first to last; their sums over the even
// words and over the odd words, each first to last; both together.

enum {
  gyro_sign_tokens = 16,        // of a block
  gyro_sign_group = 32,         // tokens that share their outlier channels
  gyro_sign_rows_limit = 4096,  // of a sketch
};

/// Packed signs of keys. `rows` is a multiple of 64.
typedef struct {
  const uint32_t *codes;
  const uint16_t *norms;  // [heads][blocks · 16], Float16
  int64_t heads, blocks, rows;
  int64_t tokens;  // in use, at most blocks · 16
  float factor;    // of every score
  int32_t variant;
} gyro_sign_keys;

/// A query's part on (or off) the outlier channels of each group of 32 tokens.
typedef struct {
  const uint8_t *channels;  // [heads][groups][count]
  int64_t groups, count;
  const float *columns;  // [head_size][rows]: the sketch, transposed
  const float *queries;  // [queries][query_heads][head_size]
  int64_t head_size;
} gyro_sign_outliers;

/// Packs the signs of `tokens` projections of `rows` elements, `stride` apart, as tokens `first`
/// and following of one head, whose codes must have been zero there.
void gyro_sign_pack(const float *projections, int64_t tokens, int64_t stride, int64_t rows,
                    int64_t first, uint32_t *codes);

/// scores[q][h][t] = ⟨sketched[q][h], signs of token t⟩ · factor · norm of t, for sketched
/// [queries][query_heads][rows]; rows of scores are `stride` apart. query_heads is a multiple of
/// heads: neighbours share keys.
void gyro_sign_scores(const gyro_sign_keys *keys, const float *sketched, int64_t queries,
                      int64_t query_heads, float *scores, int64_t stride);

/// The same with the sketch of the query's channels that are not outliers: sketched − Σ q_c S_c.
void gyro_sign_inlier_scores(const gyro_sign_keys *keys, const gyro_sign_outliers *outliers,
                             const float *sketched, int64_t queries, int64_t query_heads,
                             float *scores, int64_t stride);

/// Adds the scores of the outlier channels alone: the query's sketch is Σ q_c S_c.
void gyro_sign_outlier_scores(const gyro_sign_keys *keys, const gyro_sign_outliers *outliers,
                              int64_t queries, int64_t query_heads, float *scores, int64_t stride);

/// Adds Σ q_c k_c over outlier channels whose numbers are kept: [heads][groups][count][32] Float16,
/// channels first to last. Needs no columns.
void gyro_outlier_scores(const gyro_sign_outliers *outliers, const uint16_t *numbers,
                         int64_t heads, int64_t tokens, int64_t queries, int64_t query_heads,
                         float *scores, int64_t stride);

/// The plain definition of gyro_sign_scores: signs as ±1 in float, multiplied and added.
void gyro_reference_sign_scores(const gyro_sign_keys *keys, const float *sketched, int64_t queries,
                                int64_t query_heads, float *scores, int64_t stride);
