#pragma once
#include <stdint.h>

#include "gyro_cache_codes.h"

// Integers in caches: the number is scale · code + offset, with Float16 scales and offsets that
// cover the whole range, so that an error is at most half a step.

typedef struct {
  int32_t bits;       // 2, 3, 4 or 8
  int32_t symmetric;  // scale = amax / (2^(bits−1) − 1), no offset; codes are stored + 2^(bits−1)
} gyro_integer_format;

/// Quantizes lines of `length` numbers that lie `stride` apart; line (i, j) starts at
/// `x + i · outer_stride + j · inner_stride`, and the codes lie as the numbers do, from `codes` on.
/// `scales` and `offsets` (NULL if symmetric) are `[outer, inner]`. All numbers must be finite and
/// at most 65504 in magnitude.
typedef struct {
  int64_t outer, inner, length;
  int64_t outer_stride, inner_stride, stride;
} gyro_integer_lines;
void gyro_integer_encode(const float *x, gyro_integer_lines lines, gyro_integer_format format,
                         uint8_t *codes, uint16_t *scales, uint16_t *offsets);

/// Scores of rows whose scales and offsets belong to channels, the same for `tokens` rows:
/// `scales` and `offsets` (or NULL) are `[heads, groups, width]`, `groups` the room for groups of
/// one head. `rows` has neither scales nor offsets, group = width, and `rows->count` is a multiple
/// of `tokens` ≤ 256. Per group the query is multiplied by the scales once.
void gyro_integer_channel_scores(const gyro_code_rows *rows, const uint16_t *scales,
                                 const uint16_t *offsets, int64_t groups, int64_t tokens,
                                 gyro_code_queries shape, const float *queries, float *scores,
                                 int64_t score_stride);
void gyro_reference_integer_channel_scores(const gyro_code_rows *rows, const uint16_t *scales,
                                           const uint16_t *offsets, int64_t groups,
                                           int64_t tokens, gyro_code_queries shape,
                                           const float *queries, float *scores,
                                           int64_t score_stride);
