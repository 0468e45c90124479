#pragma once
#include <stdint.h>

#include "gyro_cache_codes.h"

// Blocks of 16 coordinates as one radius and 15 angles (recursive polar coordinates, PolarQuant
// 2502.02617): level 1 turns 8 pairs of coordinates into radii and angles, level 2 those radii in
// pairs, … until level 4 leaves one radius. A product with a block needs no angle: cosines and
// sines of the coded angles come from tables.
//
//   unit:   8 blocks in 16 lanes: one token of 128 coordinates, two of 64 …, or a part of a longer
//           one; a head whose blocks neither divide 8 nor are divided by it leaves blocks unused
//   word:   lane b + 8h holds pairs 4h … 4h + 3 of block b: their four codes, the two codes of
//           level 2 and the one of level 3, packed as in gyro_cache_codes.h
//   then:   8 codes of level 4, one per block, a little-endian sequence of bits

typedef struct {
  int32_t head_size;  // a multiple of 16
  int32_t bits[4];    // of a code per level: 1 … 5, 1 … 4, 1 … 4, 1 … 3
} gyro_polar_format;

/// Cosines and sines of the coded angles, repeated until there are 32.
typedef struct {
  float cosines[4][32], sines[4][32];
} gyro_polar_tables;

/// Bytes of a unit without its eight radii.
int64_t gyro_polar_unit_bytes(gyro_polar_format format);
/// Units that hold `tokens` tokens of one head.
int64_t gyro_polar_units(gyro_polar_format format, int64_t tokens);

typedef struct {
  gyro_polar_format format;
  uint8_t *codes;    // [heads, units, unit bytes]
  uint16_t *radii;   // Float16 [heads, units, 8]
  const gyro_polar_tables *tables;
  int64_t heads;
  int64_t units;  // room of each head
  int64_t count;  // tokens in use
  int32_t variant;  // a gyro_variant
} gyro_polar_rows;

/// Encodes rows `[tokens, heads, head size]` as tokens `first …`, whose places must be zeros. Each
/// angle becomes the nearest coded one; of equals the first.
void gyro_polar_encode(const gyro_polar_rows *rows, const float *x, int64_t first, int64_t tokens);

/// Writes tokens `0 ..< count` back as `[count, heads, head size]`.
void gyro_polar_decode(const gyro_polar_rows *rows, float *x);

/// The angles of rows of blocks: per block 8, 4, 2 and 1 of them, level by level, `[blocks, 15]`,
/// level 1 in [0, 2π), the others in [0, π/2]; and its radius.
void gyro_polar_angles(const float *x, int64_t blocks, float *angles, float *radii);
/// Undoes ``gyro_polar_angles``.
void gyro_polar_points(const float *angles, const float *radii, int64_t blocks, float *x);

/// The two products of attention; see gyro_cache_codes.h for shapes. The same bits on every
/// instruction set and thread count.
void gyro_polar_scores(const gyro_polar_rows *rows, gyro_code_queries shape, const float *queries,
                       float *scores, int64_t score_stride);
void gyro_polar_weighted(const gyro_polar_rows *rows, gyro_code_queries shape,
                         const float *weights, int64_t weight_stride, float *output,
                         float *scratch);
int64_t gyro_polar_scratch(const gyro_polar_rows *rows, gyro_code_queries shape);

/// The plain definitions the kernels above must equal, bit for bit.
void gyro_reference_polar_scores(const gyro_polar_rows *rows, gyro_code_queries shape,
                                 const float *queries, float *scores, int64_t score_stride);
void gyro_reference_polar_weighted(const gyro_polar_rows *rows, gyro_code_queries shape,
                                   const float *weights, int64_t weight_stride, float *output);
