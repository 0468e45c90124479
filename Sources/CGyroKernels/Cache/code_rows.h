#pragma once
#include "code_words.h"
#include "gyro_cache_codes.h"
#include "cache_half.h"

enum {
  code_unit = 8,           // codes of a lane in one word
  code_score_chunk = 256,  // rows one thread scores at a time
  code_value_chunk = 512,  // rows added up before chunks are
  code_most_groups = 16,   // scales of a row that the fast kernels take
};

/// Codes of a lane whose products add up before they are added to a score: what a nibble holds.
GYRO_INLINE int code_share(int bits) { return bits < 4 && bits != 3 ? 4 / bits : 1; }

/// Rows that add up before they are added to a weighted sum: again what a nibble holds.
GYRO_INLINE int code_rows_together(int bits) { return bits == 2 ? 2 : 1; }

GYRO_INLINE int code_lanes(gyro_code_format format) { return format.width % 16 ? 8 : 16; }

/// The codes of one row, field by field: the plain definition.
GYRO_INLINE void code_unpack_row(const uint8_t *packed, gyro_code_format f, uint8_t *codes) {
  if (f.bits == 8) {
    memcpy(codes, packed, (size_t)f.width);
    return;
  }
  const int lanes = code_lanes(f), columns = f.width / lanes;
  for (int first = 0; first < columns; first += code_unit) {
    const int count = columns - first < code_unit ? columns - first : code_unit;
    for (int lane = 0; lane < lanes; lane++) {
      const uint32_t word = gyro_read_word(packed, f.bits * count, lanes, lane);
      for (int n = 0; n < count; n++)
        codes[(first + n) * lanes + lane] = word >> f.bits * n & ((1u << f.bits) - 1);
    }
    packed += f.bits * count * lanes / 8;
  }
}

/// What one code of a row stands for.
GYRO_INLINE float code_level(const gyro_code_rows *rows, uint8_t code) {
  return rows->format.bits == 8 ? (float)code + rows->bias : rows->levels[code];
}

GYRO_INLINE float code_scale(const gyro_code_rows *rows, int64_t place) {
  return rows->scales ? half_to_float(rows->scales[place]) : 1.0f;
}

/// Rows that the fast kernels take; others go the plain way.
GYRO_INLINE int code_is_regular(const gyro_code_rows *rows) {
  return rows->format.width % 16 == 0 && rows->group % 16 == 0 &&
         rows->format.width / rows->group <= code_most_groups;
}

/// Scores of `count` ≤ 256 regular rows from `packed` on, without offsets; `scales` are
/// [groups][256] floats, `scores` has room for 256.
void code_score_chunk_on(int variant, const gyro_code_rows *rows, const uint8_t *packed,
                         int64_t count, const float *query, const float *scales, float *scores);

/// The products of one group of coordinates with a query: those of `code_share` neighbouring
/// columns of a lane add up, then these sums, first to last, then the lanes as a tree.
float code_reference_product(const gyro_code_rows *rows, const uint8_t *codes, const float *query);
