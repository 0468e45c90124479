#pragma once
#include "cache_variant.h"

#if defined(__x86_64__)
// Rows of 4, 8 or 16 words of 32 bits, sixteen rows at a time: register p gets word p of each.

/// Four registers of four by four words in each quarter, transposed there.
GYRO_WIDE GYRO_INLINE void transpose_quarters(__m512i *a) {
  const __m512i low0 = _mm512_unpacklo_epi32(a[0], a[1]), high0 = _mm512_unpackhi_epi32(a[0], a[1]);
  const __m512i low1 = _mm512_unpacklo_epi32(a[2], a[3]), high1 = _mm512_unpackhi_epi32(a[2], a[3]);
  a[0] = _mm512_unpacklo_epi64(low0, low1);
  a[1] = _mm512_unpackhi_epi64(low0, low1);
  a[2] = _mm512_unpacklo_epi64(high0, high1);
  a[3] = _mm512_unpackhi_epi64(high0, high1);
}

/// `words` registers of rows to as many of words.
GYRO_WIDE GYRO_INLINE void transpose_words(__m512i *row, const int words, __m512i *word) {
#pragma clang loop unroll(full)
  for (int j = 0; j < words; j += 4) transpose_quarters(row + j);
#pragma clang loop unroll(full)
  for (int m = 0; m < 4; m++) {
    if (words == 4) word[m] = row[m];
    if (words == 8) {
      word[m] = _mm512_shuffle_i32x4(row[m], row[4 + m], 0x88);
      word[4 + m] = _mm512_shuffle_i32x4(row[m], row[4 + m], 0xdd);
    }
    if (words == 16) {
      const __m512i a = _mm512_shuffle_i32x4(row[m], row[4 + m], 0x88);
      const __m512i b = _mm512_shuffle_i32x4(row[m], row[4 + m], 0xdd);
      const __m512i c = _mm512_shuffle_i32x4(row[8 + m], row[12 + m], 0x88);
      const __m512i d = _mm512_shuffle_i32x4(row[8 + m], row[12 + m], 0xdd);
      word[m] = _mm512_shuffle_i32x4(a, c, 0x88);
      word[4 + m] = _mm512_shuffle_i32x4(b, d, 0x88);
      word[8 + m] = _mm512_shuffle_i32x4(a, c, 0xdd);
      word[12 + m] = _mm512_shuffle_i32x4(b, d, 0xdd);
    }
  }
}

/// The words of sixteen rows that follow each other without gaps, in an order of the rows that
/// `natural_order` undoes.
GYRO_WIDE GYRO_INLINE void read_packed_rows(const uint8_t *packed, const int words,
                                            __m512i *word) {
  __m512i row[16];
#pragma clang loop unroll(full)
  for (int j = 0; j < words; j++) row[j] = _mm512_loadu_si512(packed + 64 * j);
  transpose_words(row, words, word);
}

/// Sums of sixteen rows so read, in the order of the rows.
GYRO_WIDE GYRO_INLINE __m512 natural_order(__m512 sums, const int words) {
  if (words == 16) return sums;
  const __m512i place =
      words == 8 ? _mm512_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15)
                 : _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_ps(place, sums);
}

/// The four words of sixteen rows `stride` bytes apart, the rows in order.
GYRO_WIDE GYRO_INLINE void read_four_words(const uint8_t *packed, int64_t stride, __m512i *word) {
  __m512i row[4];
#pragma clang loop unroll(full)
  for (int j = 0; j < 4; j++) {
    const uint8_t *at = packed + j * stride;
    row[j] = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)at));
    row[j] = _mm512_inserti32x4(row[j], _mm_loadu_si128((const __m128i *)(at + 4 * stride)), 1);
    row[j] = _mm512_inserti32x4(row[j], _mm_loadu_si128((const __m128i *)(at + 8 * stride)), 2);
    row[j] = _mm512_inserti32x4(row[j], _mm_loadu_si128((const __m128i *)(at + 12 * stride)), 3);
  }
  transpose_words(row, 4, word);
}

/// The eight words of sixteen rows `stride` bytes apart, the rows in order.
GYRO_WIDE GYRO_INLINE void read_eight_words(const uint8_t *packed, int64_t stride, __m512i *word) {
  __m512i row[8];
#pragma clang loop unroll(full)
  for (int j = 0; j < 8; j++) {
    const uint8_t *at = packed + (j + j / 4 * 4) * stride;
    row[j] = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)at));
    row[j] = _mm512_inserti64x4(row[j],
                                _mm256_loadu_si256((const __m256i *)(at + 4 * stride)), 1);
  }
  transpose_words(row, 8, word);
}
#endif
