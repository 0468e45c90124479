#pragma once
#include <stdint.h>

#include "gyro_cache_variant.h"

// Rows of small codes, packed without gaps, and the two products attention needs of them. A code
// stands for a level: a centroid, or a whole number. Neither product writes decoded rows anywhere.
//
//   row:    width coordinates in units of 128 (the last one shorter)
//   unit:   16 lanes; lane l holds the codes of coordinates l, 16 + l, 32 + l … one after the
//           other, the first in the lowest bits: a word of bits · (coordinates / 16)
//   words:  planes of 32, 16, 8, 4, 2 and 1 bits, as the binary digits of the word's size
//           say, each a little-endian sequence of one field per lane, the lowest bits first
//
// A width that is not a multiple of 16 has 8 lanes and units of 64. Either way a row takes
// exactly width · bits / 8 bytes.

typedef struct {
  int32_t width;  // coordinates: a positive multiple of 8
  int32_t bits;   // 1, 2, 3, 4 or 8
} gyro_code_format;

/// Bytes of one row.
int64_t gyro_code_row_bytes(gyro_code_format format);

/// Packs codes `[rows, width]`, one byte each, all below 2^bits.
void gyro_pack_codes(const uint8_t *codes, int64_t rows, gyro_code_format format,
                     uint8_t *packed);
/// Undoes ``gyro_pack_codes``.
void gyro_unpack_codes(const uint8_t *packed, int64_t rows, gyro_code_format format,
                       uint8_t *codes);

/// Packed rows of several heads. Element i of row t is
///
///     scale[i / group, t] · level(code[t, i]) + offset[i / group, t]
typedef struct {
  gyro_code_format format;
  const uint8_t *codes;     // [heads, capacity, row bytes]
  const uint16_t *scales;   // Float16, finite, [heads, width / group, capacity]; or NULL: ones
  const uint16_t *offsets;  // the same; or NULL: zeros
  const float *levels;      // [16], the levels repeated until there are 16; unused for 8 bits
  float bias;               // with 8 bits the level is code + bias
  int32_t group;            // coordinates that share a scale: width, or a multiple of the lanes
  int64_t heads, capacity;
  int64_t first, count;     // the rows looked at, of each head
  int32_t variant;          // a gyro_variant
} gyro_code_rows;

/// Queries `[count, heads · repeats, width]`: neighbouring `repeats` of them share a head's rows.
typedef struct {
  int64_t count, repeats;
} gyro_code_queries;

/// `scores[n, h, t] = ⟨query[n, h], row first + t of head h / repeats⟩`, added to what is there if
/// `accumulate`; `score_stride` elements from one (n, h) to the next. Products of codes that share
/// a nibble (four of 1 bit, two of 2) add up first, these sums in 16 fixed lanes and a tree for
/// each group, groups times their scales in order: the same bits on every instruction set and
/// thread count.
void gyro_code_scores(const gyro_code_rows *rows, gyro_code_queries shape, const float *queries,
                      float *scores, int64_t score_stride, int32_t accumulate);

/// `output[n, h] = Σ_t weights[n, h, t] · row first + t of head h / repeats`, added to what is
/// there if `accumulate`; `weight_stride` as for scores. Rows (with 2 bits pairs of them) add up
/// in order in chunks of 512, chunks in order: the same bits on every instruction set and thread
/// count. `scratch` holds `gyro_code_scratch` floats.
void gyro_code_weighted(const gyro_code_rows *rows, gyro_code_queries shape, const float *weights,
                        int64_t weight_stride, float *output, int32_t accumulate, float *scratch);
int64_t gyro_code_scratch(const gyro_code_rows *rows, gyro_code_queries shape);

/// The plain definitions the kernels above must equal, bit for bit.
void gyro_reference_code_scores(const gyro_code_rows *rows, gyro_code_queries shape,
                                const float *queries, float *scores, int64_t score_stride,
                                int32_t accumulate);
void gyro_reference_code_weighted(const gyro_code_rows *rows, gyro_code_queries shape,
                                  const float *weights, int64_t weight_stride, float *output,
                                  int32_t accumulate);
