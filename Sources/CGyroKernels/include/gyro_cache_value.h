#pragma once
#include <stdint.h>

#include "gyro_cache_variant.h"

// Values as whole numbers with a scale and a minimum for each token and group of channels, and
// weighted sums of them.
//
// The bits of a code are dealt to planes of nibbles. A plane of p bits holds 4/p tokens in each
// nibble, two channels in each byte: 2 bits are one plane (p = 2), 3 bits two (p = 2 and 1), 4 bits
// one (p = 4), 8 bits two (p = 4 and 4), 1 bit one (p = 1). A nibble indexes a table of the 16 sums
// of its tokens' contributions; nothing is unpacked.
//
//   plane [heads][capacity / (4/p)][head_size / 2] bytes, channel c in nibble c mod 2 of byte c/2,
//         token t in bits p · (t mod 4/p) … of the nibble
//
// Order of additions, the same in every variant: the tokens of a nibble first to last, planes one
// after another within 512 tokens, then those partial sums first to last.

enum { gyro_value_chunk = 512, gyro_value_planes_limit = 2, gyro_cache_head_limit = 512 };

typedef struct {
  uint8_t *planes[gyro_value_planes_limit];
  uint16_t *scales, *minima;  // [heads][groups][capacity], Float16
  int64_t heads, head_size;   // head_size a multiple of 8, at most gyro_cache_head_limit
  int64_t group;              // channels: a multiple of 32, or at least head_size
  int64_t capacity;           // a multiple of 4
  int64_t tokens;             // in use
  int32_t bits;               // 1, 2, 3, 4 or 8
  int32_t variant;
} gyro_value_codes;

/// Number of planes and the bits of each, low bits first; 0 planes for other widths.
int gyro_value_planes(int32_t bits, int32_t plane_bits[gyro_value_planes_limit]);

/// Encodes `count` tokens [heads · head_size], as tokens `first` and following, whose planes must
/// have been zero. The minimum is rounded down and the scale up to Float16, so that every element
/// lies within half a stored scale of its code's value.
void gyro_value_encode(const gyro_value_codes *codes, const float *values, int64_t first,
                       int64_t count);

/// The floats a workspace for gyro_value_sum needs.
int64_t gyro_value_workspace(const gyro_value_codes *codes, int64_t queries, int64_t query_heads);

/// result[q][h][c] += Σ_t weights[q][h][t] · (scale · code + minimum); rows of weights are `stride`
/// apart, result is [queries][query_heads][head_size].
void gyro_value_sum(const gyro_value_codes *codes, const float *weights, int64_t stride,
                    int64_t queries, int64_t query_heads, float *workspace, float *result);

/// destination[c] = scale · code + minimum of one token of one head.
void gyro_reference_value(const gyro_value_codes *codes, int64_t head, int64_t token,
                          float *destination);
