// The two packed products for one instruction set; included once for each. Before: SET(name) names
// a function of this set, LOOKUP(table, codes, values, bits) looks up, TARGET marks functions, and
// GENERAL is 1 to do without code of their own for usual sizes.
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
    LOOKUP(table, &codes, levels, bits);
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

/// Products of one row with the query in sixteen lanes: one part for each group of columns,
/// sixteen apart.
TARGET GYRO_INLINE void SET(score_row)(const float *table, float bias, const uint8_t *unit,
                                       const float *query, gyro_lanes *part, const int bits,
                                       const int columns, const int group) {
  const int together = code_share(bits);
  gyro_lanes sum, shared;
  for (int first = 0, done = 0; first < columns; first += code_unit) {
    const int size = columns - first < code_unit ? columns - first : code_unit;
    gyro_lanes_u32 word;
    if (bits < 8) gyro_read_words(unit, bits * size, &word);
    for (int n = 0; n < size; n++) {
      gyro_lanes q, levels;
      GYRO_LOAD(q, query + 16 * (first + n));
      SET(read_levels)(table, bias, &word, unit, n, bits, &levels);
      shared = done % together == 0 ? q * levels : shared + q * levels;
      done++;
      if (done == group || done % together == 0) sum = done <= together ? shared : sum + shared;
      if (done == group) *part = sum, part += 16, done = 0;
    }
    unit += 2 * bits * size;
  }
}

/// Scores of `count` rows from `packed` on, before offsets. `scales` are [groups][chunk] floats.
TARGET GYRO_INLINE void SET(score_rows)(const gyro_code_rows *rows, const uint8_t *packed,
                                        int64_t count, const float *query, const float *scales,
                                        float *scores, const int bits, const int columns,
                                        const int group) {
  const int64_t row_bytes = 2 * bits * columns;
  const float bias = rows->bias;
  gyro_lanes parts[code_most_groups * 16], score, scale;
  float table[16];
  memcpy(table, rows->levels, 64);
  for (int64_t t = 0; t < count; t += 16) {
    const int64_t held = count - t < 16 ? count - t : 16;
    for (int64_t r = 0; r < held; r++, packed += row_bytes)
      SET(score_row)(table, bias, packed, query, parts + r, bits, columns, group);
    for (int g = 0; g < columns / group; g++) {
      for (int64_t r = held; r < 16; r++) parts[16 * g + r] = (gyro_lanes){0};
      SET(sum_trees)(parts + 16 * g);
      GYRO_LOAD(scale, scales + g * code_score_chunk + t);
      scale *= parts[16 * g];
      score = g == 0 ? scale : score + scale;
    }
    GYRO_STORE(scores + t, score);
  }
}

/// Both halves of a lane's word of two bits in nibbles that two rows share, row by row: the even
/// columns in the lower half, the odd ones in the upper.
TARGET GYRO_INLINE void SET(share_nibbles)(const gyro_lanes_u32 *a, const gyro_lanes_u32 *b,
                                           gyro_lanes_u32 *shared) {
  *shared = ((*a | *a << 14) & 0x33333333) | ((*b << 2 | *b << 16) & 0xcccccccc);
}

/// Adds `count` rows of two bits, two at a time: their weights make a table of 16 sums.
TARGET GYRO_INLINE void SET(add_pairs)(const gyro_code_rows *rows, const uint8_t *packed,
                                       int64_t count, const float *const *factor, float *sums,
                                       const int size, const int group) {
  const int64_t row_bytes = gyro_code_row_bytes(rows->format);
  gyro_lanes sum[code_unit], low, high;
  for (int i = 0; i < 16; i++) low[i] = rows->levels[i & 3], high[i] = rows->levels[i >> 2];
  for (int n = 0; n < size; n++) sum[n] = (gyro_lanes){0};
  for (int64_t t = 0; t < count; t += 2, packed += 2 * row_bytes) {
    const int both = t + 1 < count;
    gyro_lanes_u32 first, second, shared;
    gyro_lanes table, entry;
    gyro_read_words(packed, 2 * size, &first);
    gyro_read_words(packed + (both ? row_bytes : 0), 2 * size, &second);
    SET(share_nibbles)(&first, &second, &shared);
    for (int n = 0; n < size; n++) {
      if (n % group == 0) {
        table = factor[n][t] * low;
        table = both ? table + factor[n][t + 1] * high : table;
      }
      const gyro_lanes_u32 codes = shared >> (n % 2 ? 14 + 2 * n : 2 * n);
      LOOKUP((const float *)&table, &codes, &entry, 4);
      sum[n] += entry;
    }
  }
  for (int n = 0; n < size; n++) GYRO_STORE(sums + 16 * n, sum[n]);
}

/// Adds `count` rows to the sums of the `size` columns from `first` on. `packed` is this unit in
/// the first row; `factors` are [groups][chunk] floats, one for each `group` columns.
TARGET GYRO_INLINE void SET(add_rows)(const gyro_code_rows *rows, const uint8_t *packed,
                                      int64_t count, const float *factors, int first, float *sums,
                                      const int bits, const int size, const int group) {
  const int64_t row_bytes = gyro_code_row_bytes(rows->format);
  const float bias = rows->bias;
  const float *factor[code_unit];
  gyro_lanes sum[code_unit], table, weighted;
  for (int n = 0; n < size; n++) {
    sum[n] = (gyro_lanes){0};
    factor[n] = factors + (first + n) / (rows->group / 16) * code_value_chunk;
  }
  if (bits == 2) {
    SET(add_pairs)(rows, packed, count, factor, sums, size, group);
    return;
  }
  GYRO_LOAD(table, rows->levels);
  for (int64_t t = 0; t < count; t++, packed += row_bytes) {
    gyro_lanes_u32 word;
    if (bits < 8) gyro_read_words(packed, bits * size, &word);
    for (int n = 0; n < size; n++) {
      gyro_lanes levels;
      if (bits == 8) {
        SET(read_levels)(NULL, bias, &word, packed, n, bits, &levels);
        sum[n] += factor[n][t] * levels;
      } else {
        // A product with the table is the products with its entries.
        if (n % group == 0) weighted = factor[n][t] * table;
        SET(read_levels)((const float *)&weighted, bias, &word, packed, n, bits, &levels);
        sum[n] += levels;
      }
    }
  }
  for (int n = 0; n < size; n++) GYRO_STORE(sums + 16 * n, sum[n]);
}

// The sizes that heads and their outlier parts have get code of their own: `call` is a macro of
// (bits, size, group), the columns and those that share a scale, constants where they can be.
#define FOR_SIZES(bits, size, group, call)                  \
  if (GENERAL) call(bits, size, group);                     \
  else if (group >= size && size == 8) call(bits, 8, 8);    \
  else if (group >= size && size == 6) call(bits, 6, 6);    \
  else if (group >= size && size == 4) call(bits, 4, 4);    \
  else if (group >= size && size == 3) call(bits, 3, 3);    \
  else if (group >= size && size == 2) call(bits, 2, 2);    \
  else if (group >= size && size == 1) call(bits, 1, 1);    \
  else if (group == 2 && size == 8) call(bits, 8, 2);       \
  else if (group == 2 && size == 4) call(bits, 4, 2);       \
  else call(bits, size, group)
#define FOR_BITS(size, group, call)             \
  switch (rows->format.bits) {                  \
    case 1: call(1, size, group); break;        \
    case 2: call(2, size, group); break;        \
    case 3: call(3, size, group); break;        \
    case 4: call(4, size, group); break;        \
    default: call(8, size, group); break;       \
  }
#define FOR_BITS_AND_SIZES(size, group, call)           \
  switch (rows->format.bits) {                          \
    case 1: FOR_SIZES(1, size, group, call); break;     \
    case 2: FOR_SIZES(2, size, group, call); break;     \
    case 3: FOR_SIZES(3, size, group, call); break;     \
    case 4: FOR_SIZES(4, size, group, call); break;     \
    default: FOR_SIZES(8, size, group, call); break;    \
  }

TARGET static void SET(score_chunk)(const gyro_code_rows *rows, const uint8_t *packed,
                                    int64_t count, const float *query, const float *scales,
                                    float *scores) {
  const int columns = rows->format.width / 16, group = rows->group / 16;
#define SCORE(bits, columns, group) \
  SET(score_rows)(rows, packed, count, query, scales, scores, bits, columns, group)
  if (!GENERAL && columns == 16 && group == 2) {
    FOR_BITS(16, 2, SCORE)
  } else {
    FOR_BITS_AND_SIZES(columns, group, SCORE)
  }
#undef SCORE
}

TARGET static void SET(add_chunk)(const gyro_code_rows *rows, const uint8_t *packed, int64_t count,
                                  const float *factors, float *sums) {
  const int columns = rows->format.width / 16;
  for (int first = 0; first < columns; first += code_unit) {
    const int size = columns - first < code_unit ? columns - first : code_unit;
    const uint8_t *unit = packed + 2 * rows->format.bits * first;
    // Groups that neither fill units nor divide them have a factor looked up for each column.
    const int group = rows->group / 16 % code_unit == 0 || columns <= rows->group / 16 ? size
                      : code_unit % (rows->group / 16) == 0 ? rows->group / 16
                                                            : 1;
#define ADD(bits, size, group) \
  SET(add_rows)(rows, unit, count, factors, first, sums + 16 * first, bits, size, group)
    FOR_BITS_AND_SIZES(size, group, ADD)
#undef ADD
  }
}
#undef FOR_BITS
#undef FOR_BITS_AND_SIZES
#undef FOR_SIZES
