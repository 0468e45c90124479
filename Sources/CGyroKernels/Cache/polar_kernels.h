// The two products of polar blocks for one instruction set; included once for each, after SET,
// LOOKUP and TARGET as for codes_kernels.h.
#include "polar_layout.h"

/// Numbers of a table of 32 by codes of `bits` ≤ 5 in the lowest bits of each lane.
TARGET GYRO_INLINE void SET(find)(const float *table, const gyro_lanes_u32 *codes, const int bits,
                                  gyro_lanes *values) {
  LOOKUP(table, codes, values, bits);
  if (bits < 5) return;
  gyro_lanes above;
  LOOKUP(table + 16, codes, &above, bits);
  const gyro_lanes_u32 mask = (gyro_lanes_u32)((*codes & 16) != 0);
  *values = (gyro_lanes)(((gyro_lanes_u32)above & mask) | ((gyro_lanes_u32)*values & ~mask));
}

/// Cosines of level 4 in lanes 0 … 7, sines in the others.
TARGET GYRO_INLINE void SET(find_top)(const float *table, uint32_t top, const int bits,
                                      gyro_lanes *values) {
  const gyro_lanes_u32 count = {0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7};
  const gyro_lanes_u32 half = {0, 0, 0, 0, 0, 0, 0, 0, 8, 8, 8, 8, 8, 8, 8, 8};
  const gyro_lanes_u32 codes =
      ((((gyro_lanes_u32){0} + top) >> count * (uint32_t)bits) & 7) | half;
  LOOKUP(table, &codes, values, 4);
}

typedef float SET(eight) __attribute__((vector_size(32)));

/// Products of `count` units, with radii [count + 1][8], and one query, laid out as
/// [4][cosine, sine part][16]. Block sums, or token sums in the first lane of each token's blocks,
/// go to `sums` [count][8].
TARGET GYRO_INLINE void SET(score_units)(const gyro_polar_rows *rows, const float *top_table,
                                         const uint8_t *unit, const float *radii,
                                         int64_t count, const float *query, int64_t query_units,
                                         int blocks, float *sums, const int b1, const int b2,
                                         const int b3, const int b4) {
  const gyro_polar_tables *table = rows->tables;
  const int word_bits = 4 * b1 + 2 * b2 + b3;
  const polar_layout layout = {.word = word_bits, .top = b4};
  for (int64_t u = 0; u < count; u++, unit += 2 * word_bits + b4, radii += 8, sums += 8) {
    const float *q = query + u % query_units * 128;
    gyro_lanes_u32 word, code;
    gyro_lanes pair[4], two[2], cosine, sine, even, odd;
    gyro_read_words(unit, word_bits, &word);
    for (int n = 0; n < 4; n++) {
      code = word >> b1 * n;
      SET(find)(table->cosines[0], &code, b1, &cosine);
      SET(find)(table->sines[0], &code, b1, &sine);
      GYRO_LOAD(even, q + 32 * n);
      GYRO_LOAD(odd, q + 32 * n + 16);
      pair[n] = even * cosine + odd * sine;
    }
    for (int m = 0; m < 2; m++) {
      code = word >> (4 * b1 + b2 * m);
      SET(find)(table->cosines[1], &code, b2, &cosine);
      SET(find)(table->sines[1], &code, b2, &sine);
      two[m] = pair[2 * m] * cosine + pair[2 * m + 1] * sine;
    }
    code = word >> (4 * b1 + 2 * b2);
    SET(find)(table->cosines[2], &code, b3, &cosine);
    SET(find)(table->sines[2], &code, b3, &sine);
    gyro_lanes x = two[0] * cosine + two[1] * sine;
    SET(find_top)(top_table, polar_top(unit, &layout), b4, &cosine);
    x *= cosine;
    x += __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
    gyro_lanes radius;
    GYRO_LOAD(radius, radii);
    x *= radius;
    if (blocks > 4)
      x += __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15);
    if (blocks > 2)
      x += __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15);
    if (blocks > 1)
      x += __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15);
    memcpy(sums, &x, 32);
  }
}

/// Adds every `step`-th of `count` units times their blocks' factors [count][8] to `sums`
/// [4][cosine, sine part][16].
TARGET GYRO_INLINE void SET(add_units)(const gyro_polar_rows *rows, const float *top_table,
                                       const uint8_t *unit, int64_t count, int64_t step,
                                       const float *factors, float *sums, const int b1,
                                       const int b2, const int b3, const int b4) {
  const gyro_polar_tables *table = rows->tables;
  const int word_bits = 4 * b1 + 2 * b2 + b3;
  const polar_layout layout = {.word = word_bits, .top = b4};
  gyro_lanes sum[8];
  for (int n = 0; n < 8; n++) sum[n] = (gyro_lanes){0};
  for (int64_t u = 0; u < count; u += step, unit += step * (2 * word_bits + b4)) {
    gyro_lanes_u32 word, code;
    gyro_lanes x, two[2], pair[4], cosine, sine;
    SET(eight) factor;
    memcpy(&factor, factors + 8 * u, 32);
    x = __builtin_shufflevector(factor, factor, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7);
    gyro_read_words(unit, word_bits, &word);
    SET(find_top)(top_table, polar_top(unit, &layout), b4, &cosine);
    x *= cosine;
    code = word >> (4 * b1 + 2 * b2);
    SET(find)(table->cosines[2], &code, b3, &cosine);
    SET(find)(table->sines[2], &code, b3, &sine);
    two[0] = x * cosine;
    two[1] = x * sine;
    for (int m = 0; m < 2; m++) {
      code = word >> (4 * b1 + b2 * m);
      SET(find)(table->cosines[1], &code, b2, &cosine);
      SET(find)(table->sines[1], &code, b2, &sine);
      pair[2 * m] = two[m] * cosine;
      pair[2 * m + 1] = two[m] * sine;
    }
    for (int n = 0; n < 4; n++) {
      code = word >> b1 * n;
      SET(find)(table->cosines[0], &code, b1, &cosine);
      SET(find)(table->sines[0], &code, b1, &sine);
      sum[2 * n] += pair[n] * cosine;
      sum[2 * n + 1] += pair[n] * sine;
    }
  }
  for (int n = 0; n < 8; n++) GYRO_STORE(sums + 16 * n, sum[n]);
}

#define IS_DEFAULT(b) ((b)[0] == 4 && (b)[1] == 2 && (b)[2] == 2 && (b)[3] == 2)

TARGET static void SET(score_chunk)(const gyro_polar_rows *rows, const float *top_table,
                                    const uint8_t *unit, const float *radii, int64_t count,
                                    const float *query, int64_t query_units, int blocks,
                                    float *sums) {
  const int32_t *b = rows->format.bits;
#define CALL(b1, b2, b3, b4)                                                                   \
  SET(score_units)(rows, top_table, unit, radii, count, query, query_units, blocks, sums, b1, b2, \
                   b3, b4)
  if (IS_DEFAULT(b) && query_units == 1) {
    query_units = 1;
    CALL(4, 2, 2, 2);
  } else {
    CALL(b[0], b[1], b[2], b[3]);
  }
#undef CALL
}

TARGET static void SET(add_chunk)(const gyro_polar_rows *rows, const float *top_table,
                                  const uint8_t *unit, int64_t count, int64_t step,
                                  const float *factors, float *sums) {
  const int32_t *b = rows->format.bits;
#define CALL(b1, b2, b3, b4) \
  SET(add_units)(rows, top_table, unit, count, step, factors, sums, b1, b2, b3, b4)
  if (IS_DEFAULT(b))
    CALL(4, 2, 2, 2);
  else
    CALL(b[0], b[1], b[2], b[3]);
#undef CALL
}
#undef IS_DEFAULT
