#include "code_tables.h"

#include "transposed_words.h"

#pragma STDC FP_CONTRACT OFF

int64_t code_rows_by_tables(int variant, const gyro_code_rows *rows, int64_t count) {
  const int bits = rows->format.bits, columns = rows->format.width / 16;
  const int group = rows->group / 16;
  const int is_usual = columns == 8 || (columns == 4 && (bits == 2 || bits == 4)) ||
                       (columns == 6 && bits == 2) || (columns == 2 && bits == 4);
  const int is_possible = variant == gyro_variant_avx512 && bits <= 4 && is_usual &&
                          (group == columns || (group % 2 == 0 && columns != 6)) &&
                          group % code_share(bits) == 0;
  // A table for each code is worth its making after more rows than one for two of them.
  return is_possible && count >= (bits > 2 ? 128 : 32) ? count / 16 * 16 : 0;
}

#if defined(__x86_64__)
// One table answers one field of a row: a nibble, or a code of 3 bits.

/// Bits of a field.
GYRO_INLINE int field_bits(int bits) { return bits == 3 ? 3 : 4; }

/// Where bit `bit` of a lane's word of `size` bits lies in a row: the planes follow each other.
GYRO_INLINE int row_bit(int size, int lane, int bit) {
  int start = 0;
  for (int plane = 32; plane > 0; plane /= 2) {
    if (!(size & plane)) continue;
    if (bit < plane) return start + lane * plane + bit;
    bit -= plane, start += 16 * plane;
  }
  return start;
}

/// Tables by lanes, and by fields in each.
GYRO_WIDE GYRO_INLINE void fill_tables(const gyro_code_rows *rows, const float *query,
                                       const int bits, const int columns, float *tables) {
  const int share = code_share(bits), fields = columns / share;
  const __m512i index = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512 all = _mm512_loadu_ps(rows->levels);
  __m512 level[4];
#pragma clang loop unroll(full)
  for (int n = 0; n < share; n++)
    level[n] = _mm512_permutexvar_ps(_mm512_srli_epi32(index, n * bits), all);
  for (int lane = 0; lane < 16; lane++)
#pragma clang loop unroll(full)
    for (int k = 0; k < fields; k++, tables += 16) {
      const float *q = query + 16 * share * k + lane;
      __m512 table = _mm512_mul_ps(_mm512_set1_ps(q[0]), level[0]);
#pragma clang loop unroll(full)
      for (int n = 1; n < share; n++)
        table = _mm512_add_ps(table, _mm512_mul_ps(_mm512_set1_ps(q[16 * n]), level[n]));
      _mm512_storeu_ps(tables, table);
    }
}

/// The words of sixteen rows, these in the order that `rows_in_order` undoes.
GYRO_WIDE GYRO_INLINE void read_rows(const uint8_t *packed, const int words, __m512i *word) {
  if (words == 4 || words == 8 || words == 16) read_packed_rows(packed, words, word);
  if (words == 6) {
    read_four_words(packed, 24, word);
    read_four_words(packed + 8, 24, word + 2);
  }
  if (words == 12) {
    read_eight_words(packed, 48, word);
    read_four_words(packed + 32, 48, word + 8);
  }
}

GYRO_WIDE GYRO_INLINE __m512 rows_in_order(__m512 sums, const int words) {
  return words == 4 || words == 8 ? natural_order(sums, words) : sums;
}

/// Field k of a lane in the lowest bits, with others above it.
GYRO_WIDE GYRO_INLINE __m512i read_field(const __m512i *word, const int size, const int lane,
                                         const int bit, const int width) {
  const int first = row_bit(size, lane, bit), last = row_bit(size, lane, bit + width - 1);
  const __m512i low = _mm512_srli_epi32(word[first / 32], first % 32);
  if (last == first + width - 1) return low;
  // A code whose lowest bit ends a plane.
  const int rest = last + 1 - (width - 1);
  const __m512i high = rest % 32 ? _mm512_srli_epi32(word[rest / 32], rest % 32 - 1)
                                 : _mm512_slli_epi32(word[rest / 32], 1);
  return _mm512_ternarylogic_epi32(_mm512_set1_epi32(1), low, high, 0xca);
}

/// Sums `fields` fields from number `first` of each lane, first to last, then the lanes in the
/// order of GYRO_TREE_SUM: these are taken in the order of their reversed bits, so that two
/// neighbours of a level follow each other and few sums are held.
GYRO_WIDE GYRO_INLINE __m512 tree_sum(const __m512i *word, const float *tables, const int bits,
                                      const int columns, const int first, const int fields) {
  const int width = field_bits(bits), all = columns / code_share(bits);
  __m512 held[4], sum;
#pragma clang loop unroll(full)
  for (int n = 0; n < 16; n++) {
    const int lane = (n & 1) << 3 | (n & 2) << 1 | (n & 4) >> 1 | (n & 8) >> 3;
#pragma clang loop unroll(full)
    for (int k = first; k < first + fields; k++) {
      const __m512 entry =
          _mm512_permutexvar_ps(read_field(word, bits * columns, lane, width * k, width),
                                _mm512_loadu_ps(tables + (lane * all + k) * 16));
      sum = k == first ? entry : _mm512_add_ps(sum, entry);
    }
#pragma clang loop unroll(full)
    for (int level = 0; level < 4; level++) {
      if (~n >> level & 1) {
        held[level] = sum;
        break;
      }
      sum = _mm512_add_ps(held[level], sum);
    }
  }
  return rows_in_order(sum, bits * columns / 2);
}

GYRO_WIDE GYRO_INLINE void score_rows(const gyro_code_rows *rows, const uint8_t *packed,
                                      int64_t count, const float *query, const float *scales,
                                      float *scores, const int bits, const int columns,
                                      const int groups) {
  const int words = bits * columns / 2, fields = columns / code_share(bits) / groups;
  _Alignas(64) float tables[code_tables_limit];
  fill_tables(rows, query, bits, columns, tables);
  for (int64_t t = 0; t < count; t += 16, packed += 64 * words) {
    __m512i word[16];
    __m512 score;
    read_rows(packed, words, word);
#pragma clang loop unroll(full)
    for (int g = 0; g < groups; g++) {
      const __m512 part =
          _mm512_mul_ps(tree_sum(word, tables, bits, columns, g * fields, fields),
                        _mm512_loadu_ps(scales + g * code_score_chunk + t));
      score = g == 0 ? part : _mm512_add_ps(score, part);
    }
    _mm512_storeu_ps(scores + t, score);
  }
}

#define SCORE(b, c, g)                                                            \
  if (rows->format.bits == b && rows->format.width == 16 * c && rows->group * g == 16 * c) { \
    score_rows(rows, packed, count, query, scales, scores, b, c, g);              \
    return;                                                                       \
  }

GYRO_WIDE void code_table_scores(const gyro_code_rows *rows, const uint8_t *packed, int64_t count,
                                 const float *query, const float *scales, float *scores) {
  SCORE(1, 8, 1)
  SCORE(1, 8, 2)
  SCORE(2, 4, 1)
  SCORE(2, 4, 2)
  SCORE(2, 6, 1)
  SCORE(2, 8, 1)
  SCORE(2, 8, 2)
  SCORE(2, 8, 4)
  SCORE(3, 8, 1)
  SCORE(3, 8, 2)
  SCORE(3, 8, 4)
  SCORE(4, 2, 1)
  SCORE(4, 4, 1)
  SCORE(4, 4, 2)
  SCORE(4, 8, 1)
  SCORE(4, 8, 2)
  SCORE(4, 8, 4)
}
#undef SCORE
#else
void code_table_scores(const gyro_code_rows *rows, const uint8_t *packed, int64_t count,
                       const float *query, const float *scales, float *scores) {
  (void)rows, (void)packed, (void)count, (void)query, (void)scales, (void)scores;
  __builtin_unreachable();
}
#endif
