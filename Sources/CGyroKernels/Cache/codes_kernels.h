// The two packed products for one instruction set; included once for each. Before: SET(name) names a
// function of this set, LOOKUP(table, codes, values) looks up, TARGET marks functions, and GENERAL is
// 1 to do without code of their own for usual sizes.
#include "code_rows.h"

/// The levels of 16 codes: column n of a unit whose words and first byte are given.
TARGET GYRO_INLINE void SET(read_levels)(const float *table, float bias,
                                         const gyro_lanes_u32 *word, const uint8_t *unit, int n,
                                         const int bits, gyro_lanes *levels) {
  if (bits == 8) {
    gyro_lanes_u8 codes;
    memcpy(&codes, unit + 16 * n, 16);
    *levels = __builtin_convertvector(__builtin_convertvector(codes, gyro_lanes_bits), gyro_lanes) +
              bias;
  } else {
    const gyro_lanes_u32 codes = *word >> bits * n;
    LOOKUP(table, &codes, levels);
  }
}

/// The trees of sixteen rows at once, each in the order of GYRO_TREE_SUM: row r's sum in lane r.
TARGET GYRO_INLINE void SET(sum_trees)(gyro_lanes *rows) {
  for (int r = 0; r < 8; r++) {
    const gyro_lanes a = rows[2 * r], b = rows[2 * r + 1];
    rows[r] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7,  //
                                      16, 17, 18, 19, 20, 21, 22, 23) +
              __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15,  //
                                      24, 25, 26, 27, 28, 29, 30, 31);
  }
  for (int r = 0; r < 4; r++) {
    const gyro_lanes a = rows[2 * r], b = rows[2 * r + 1];
    rows[r] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11,  //
                                      16, 17, 18, 19, 24, 25, 26, 27) +
              __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15,  //
                                      20, 21, 22, 23, 28, 29, 30, 31);
  }
  for (int r = 0; r < 2; r++) {
    const gyro_lanes a = rows[2 * r], b = rows[2 * r + 1];
    rows[r] = __builtin_shufflevector(a, b, 0, 1, 4, 5, 8, 9, 12, 13,  //
                                      16, 17, 20, 21, 24, 25, 28, 29) +
              __builtin_shufflevector(a, b, 2, 3, 6, 7, 10, 11, 14, 15,  //
                                      18, 19, 22, 23, 26, 27, 30, 31);
  }
  const gyro_lanes a = rows[0], b = rows[1];
  rows[0] = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14,  //
                                    16, 18, 20, 22, 24, 26, 28, 30) +
            __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15,  //
                                    17, 19, 21, 23, 25, 27, 29, 31);
}

/// Products of one row with the query in sixteen lanes: with a single scale before it is applied,
/// else with the groups' scales, `scale` being those of the row, a chunk apart.
TARGET GYRO_INLINE void SET(score_row)(const float *table, float bias, int group,
                                       const uint8_t *unit, const float *query,
                                       const float *scale, gyro_lanes *result, const int bits,
                                       const int columns, const int single) {
  gyro_lanes total = {0}, part = {0};
  int left = group;
  for (int first = 0; first < columns; first += code_unit) {
    const int size = columns - first < code_unit ? columns - first : code_unit;
    gyro_lanes_u32 word;
    if (bits < 8) gyro_read_words(unit, bits * size, &word);
    for (int n = 0; n < size; n++) {
      gyro_lanes q, levels;
      GYRO_LOAD(q, query + 16 * (first + n));
      SET(read_levels)(table, bias, &word, unit, n, bits, &levels);
      part += q * levels;
      if (!single && --left == 0) {
        total += part * *scale;
        part = (gyro_lanes){0};
        scale += code_score_chunk, left = group;
      }
    }
    unit += 2 * bits * size;
  }
  *result = single ? part : total;
}

/// Scores of `count` rows from `packed` on, before offsets. `scales` are [groups][chunk] floats.
TARGET GYRO_INLINE void SET(score_rows)(const gyro_code_rows *rows, const uint8_t *packed,
                                        int64_t count, const float *query, const float *scales,
                                        float *scores, const int bits, const int columns,
                                        const int single) {
  const int64_t row_bytes = 2 * bits * columns;
  const int group = rows->group / 16;
  const float bias = rows->bias;
  float table[16];
  memcpy(table, rows->levels, 64);
  for (int64_t t = 0; t < count; t += 16) {
    gyro_lanes totals[16], scale;
    const int64_t held = count - t < 16 ? count - t : 16;
    if (held == 16) {
      for (int r = 0; r < 16; r++, packed += row_bytes)
        SET(score_row)(table, bias, group, packed, query, scales + t + r, totals + r, bits,
                       columns, single);
    } else {
      for (int r = 0; r < 16; r++) totals[r] = (gyro_lanes){0};
      for (int r = 0; r < held; r++, packed += row_bytes)
        SET(score_row)(table, bias, group, packed, query, scales + t + r, totals + r, bits,
                       columns, single);
    }
    SET(sum_trees)(totals);
    if (single) {
      GYRO_LOAD(scale, scales + t);
      totals[0] *= scale;
    }
    GYRO_STORE(scores + t, totals[0]);
  }
}

/// Adds `count` rows to the sums of the `size` columns from `first` on. `packed` is this unit in
/// the first row; `factors` are [groups][chunk] floats.
TARGET GYRO_INLINE void SET(add_rows)(const gyro_code_rows *rows, const uint8_t *packed,
                                      int64_t count, const float *factors, int first, float *sums,
                                      const int bits, const int size, const int single) {
  const int64_t row_bytes = gyro_code_row_bytes(rows->format);
  const int group = rows->group / 16;
  const float bias = rows->bias;
  const float *factor[code_unit];
  gyro_lanes sum[code_unit];
  float table[16];
  memcpy(table, rows->levels, 64);
  for (int n = 0; n < size; n++) {
    sum[n] = (gyro_lanes){0};
    factor[n] = factors + (single ? 0 : (first + n) / group * code_value_chunk);
  }
  for (int64_t t = 0; t < count; t++, packed += row_bytes) {
    gyro_lanes_u32 word;
    if (bits < 8) gyro_read_words(packed, bits * size, &word);
    for (int n = 0; n < size; n++) {
      gyro_lanes levels;
      SET(read_levels)(table, bias, &word, packed, n, bits, &levels);
      sum[n] += factor[single ? 0 : n][t] * levels;
    }
  }
  for (int n = 0; n < size; n++) GYRO_STORE(sums + 16 * n, sum[n]);
}

// The sizes that heads and their outlier parts have get code of their own: `call` is a macro of
// (bits, size, single), all of them constants where they can be.
#define FOR_SIZES(bits, size, call)                  \
  if (GENERAL) call(bits, size, single);             \
  else if (single && size == 8) call(bits, 8, 1);    \
  else if (single && size == 6) call(bits, 6, 1);    \
  else if (single && size == 4) call(bits, 4, 1);    \
  else if (single && size == 3) call(bits, 3, 1);    \
  else if (single && size == 2) call(bits, 2, 1);    \
  else if (single && size == 1) call(bits, 1, 1);    \
  else if (single) call(bits, size, 1);              \
  else if (size == 8) call(bits, 8, 0);              \
  else if (size == 4) call(bits, 4, 0);              \
  else call(bits, size, 0)
#define FOR_BITS_AND_SIZES(size, call)           \
  switch (rows->format.bits) {                   \
    case 1: FOR_SIZES(1, size, call); break;     \
    case 2: FOR_SIZES(2, size, call); break;     \
    case 3: FOR_SIZES(3, size, call); break;     \
    case 4: FOR_SIZES(4, size, call); break;     \
    default: FOR_SIZES(8, size, call); break;    \
  }

TARGET static void SET(score_chunk)(const gyro_code_rows *rows, const uint8_t *packed,
                                    int64_t count, const float *query, const float *scales,
                                    float *scores) {
  const int columns = rows->format.width / 16, single = rows->group == rows->format.width;
#define SCORE(bits, columns, single) \
  SET(score_rows)(rows, packed, count, query, scales, scores, bits, columns, single)
  FOR_BITS_AND_SIZES(columns, SCORE)
#undef SCORE
}

TARGET static void SET(add_chunk)(const gyro_code_rows *rows, const uint8_t *packed, int64_t count,
                                  const float *factors, float *sums) {
  const int columns = rows->format.width / 16, single = rows->group == rows->format.width;
  for (int first = 0; first < columns; first += code_unit) {
    const int size = columns - first < code_unit ? columns - first : code_unit;
    const uint8_t *unit = packed + 2 * rows->format.bits * first;
#define ADD(bits, size, single) \
  SET(add_rows)(rows, unit, count, factors, first, sums + 16 * first, bits, size, single)
    FOR_BITS_AND_SIZES(size, ADD)
#undef ADD
  }
}
#undef FOR_BITS_AND_SIZES
#undef FOR_SIZES
