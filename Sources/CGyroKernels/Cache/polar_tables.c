#include "polar_tables.h"

#include "transposed_words.h"

#pragma STDC FP_CONTRACT OFF

// Units of 4/2/2/2 bits: words of 16, 4 and 2 bits in planes, then 8 codes of level 4.
enum { unit_bytes = 46, rest_start = 30 };  // where the last four 32-bit words start

int polar_has_tables(int variant, const gyro_polar_rows *rows) {
  const int32_t *b = rows->format.bits;
  return variant == gyro_variant_avx512 && b[0] == 4 && b[1] == 2 && b[2] == 2 && b[3] == 2;
}

#if defined(__x86_64__)
/// Tables of level 1: of pair n of lane l at number 4 · l + n.
GYRO_WIDE GYRO_INLINE void fill_tables(const gyro_polar_tables *angles, const float *query,
                                       float *tables) {
  const __m512 cosines = _mm512_loadu_ps(angles->cosines[0]);
  const __m512 sines = _mm512_loadu_ps(angles->sines[0]);
  for (int lane = 0; lane < 16; lane++)
#pragma clang loop unroll(full)
    for (int n = 0; n < 4; n++, tables += 16) {
      const float *q = query + 32 * n + lane;
      _mm512_storeu_ps(tables, _mm512_add_ps(_mm512_mul_ps(_mm512_set1_ps(q[0]), cosines),
                                             _mm512_mul_ps(_mm512_set1_ps(q[16]), sines)));
    }
}

/// Cosines and sines of levels 2, 3 and 4; of level 2 by either half of a nibble.
typedef struct {
  __m512 cosine2[2], sine2[2], cosine3, sine3, cosine4, sine4;
} Angles;

GYRO_WIDE GYRO_INLINE Angles read_angles(const gyro_polar_tables *angles) {
  const __m512i upper = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  Angles a = {.cosine3 = _mm512_loadu_ps(angles->cosines[2]),
              .sine3 = _mm512_loadu_ps(angles->sines[2]),
              .cosine4 = _mm512_loadu_ps(angles->cosines[3]),
              .sine4 = _mm512_loadu_ps(angles->sines[3])};
  a.cosine2[0] = _mm512_loadu_ps(angles->cosines[1]);
  a.sine2[0] = _mm512_loadu_ps(angles->sines[1]);
  a.cosine2[1] = _mm512_permutexvar_ps(upper, a.cosine2[0]);
  a.sine2[1] = _mm512_permutexvar_ps(upper, a.sine2[0]);
  return a;
}

GYRO_WIDE GYRO_INLINE __m512 fold(__m512 even, __m512 odd, __m512i code, __m512 cosines,
                                  __m512 sines) {
  return _mm512_add_ps(_mm512_mul_ps(even, _mm512_permutexvar_ps(code, cosines)),
                       _mm512_mul_ps(odd, _mm512_permutexvar_ps(code, sines)));
}

/// A field that starts at a bit of the last four words.
GYRO_WIDE GYRO_INLINE __m512i rest_field(const __m512i *rest, const int place) {
  const int bit = place - 8 * rest_start;
  return _mm512_srli_epi32(rest[bit / 32], bit % 32);
}

/// Levels 1 to 3 of one lane.
GYRO_WIDE GYRO_INLINE __m512 lane_product(const __m512i *first, const __m512i *rest,
                                          const float *tables, const Angles *a, const int lane) {
  __m512 pair[4], two[2];
#pragma clang loop unroll(full)
  for (int n = 0; n < 4; n++)
    pair[n] = _mm512_permutexvar_ps(
        _mm512_srli_epi32(first[lane / 2], lane % 2 * 16 + 4 * n),
        _mm512_loadu_ps(tables + (4 * lane + n) * 16));
  const __m512i code2 = rest_field(rest, 256 + 4 * lane);
#pragma clang loop unroll(full)
  for (int m = 0; m < 2; m++)
    two[m] = fold(pair[2 * m], pair[2 * m + 1], code2, a->cosine2[m], a->sine2[m]);
  return fold(two[0], two[1], rest_field(rest, 320 + 2 * lane), a->cosine3, a->sine3);
}

/// The blocks of a token as a tree; fewer than eight need not be fast.
GYRO_WIDE GYRO_INLINE __m512 block_sum(__m512 *block, const int blocks) {
  for (int half = blocks / 2; half > 0; half /= 2)
    for (int b = 0; b < half; b++) block[b] = _mm512_add_ps(block[b], block[b + half]);
  return block[0];
}

GYRO_WIDE void polar_table_scores(const gyro_polar_rows *rows, const uint8_t *unit,
                                  const float *radii, int64_t count, const float *query,
                                  float *scores) {
  const polar_layout layout = polar_layout_of(rows->format);
  const int tokens = layout.tokens_per_unit, blocks = 8 / tokens;
  _Alignas(64) float tables[64 * 16];
  const gyro_polar_tables *angles = rows->tables;
  fill_tables(angles, query, tables);
  const Angles a = read_angles(angles);
  for (int64_t u = 0; u < count; u += 16, unit += 16 * unit_bytes, scores += 16 * tokens) {
    __m512i first[8], rest[4], radius[8];
    __m512 block[8];
    read_eight_words((const uint8_t *)(radii + 8 * u), 32, radius);
    read_eight_words(unit, unit_bytes, first);
    read_four_words(unit + rest_start, unit_bytes, rest);
#pragma clang loop unroll(full)
    for (int b = 0; b < 8; b++) {
      const __m512 x = fold(lane_product(first, rest, tables, &a, b),
                            lane_product(first, rest, tables, &a, b + 8),
                            rest_field(rest, 352 + 2 * b), a.cosine4, a.sine4);
      block[b] = _mm512_mul_ps(x, _mm512_castsi512_ps(radius[b]));
    }
    if (blocks == 8) {
      _mm512_storeu_ps(scores, block_sum(block, 8));
      continue;
    }
    if (blocks == 4) {
      const __m512 even = block_sum(block, 4), odd = block_sum(block + 4, 4);
      const __m512i low =
          _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      const __m512i high =
          _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
      _mm512_storeu_ps(scores, _mm512_permutex2var_ps(even, low, odd));
      _mm512_storeu_ps(scores + 16, _mm512_permutex2var_ps(even, high, odd));
      continue;
    }
    float sums[8][16];
    for (int token = 0; token < tokens; token++)
      _mm512_storeu_ps(sums[token], block_sum(block + token * blocks, blocks));
    for (int i = 0; i < 16; i++)
      for (int token = 0; token < tokens; token++) scores[i * tokens + token] = sums[token][i];
  }
}

GYRO_WIDE void polar_plane_sums(const gyro_polar_rows *rows, const uint8_t *unit, int64_t count,
                                int64_t step, const float *factors, float *sums) {
  const Angles a = read_angles(rows->tables);
  const __m512 cosine1 = _mm512_loadu_ps(rows->tables->cosines[0]);
  const __m512 sine1 = _mm512_loadu_ps(rows->tables->sines[0]);
  // The last four words start in the middle of one: fields of level 2 from bit 16 on.
  const __m512i word2 = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2);
  const __m512i place2 =
      _mm512_setr_epi32(16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12);
  const __m512i place3 =
      _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i place4 =
      _mm512_setr_epi32(16, 18, 20, 22, 24, 26, 28, 30, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512 level4 = _mm512_shuffle_f32x4(a.cosine4, a.sine4, 0);
  __m512 sum[8];
#pragma clang loop unroll(full)
  for (int n = 0; n < 8; n++) sum[n] = _mm512_setzero_ps();
  for (int64_t u = 0; u < count; u += step, unit += step * unit_bytes) {
    int32_t plane3, plane4;
    memcpy(&plane3, unit + 40, 4);
    memcpy(&plane4, unit + 42, 4);
    const __m512i code1 = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)unit));
    const __m512i rest =
        _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(unit + rest_start)));
    const __m512i code2 =
        _mm512_srlv_epi32(_mm512_permutexvar_epi32(word2, rest), place2);
    const __m512i code3 = _mm512_srlv_epi32(_mm512_set1_epi32(plane3), place3);
    const __m512i code4 = _mm512_srlv_epi32(_mm512_set1_epi32(plane4), place4);
    // Four entries of level 4 in each quarter: cosines in the first two, sines in the others.
    const __m512 x = _mm512_mul_ps(_mm512_broadcast_f32x8(_mm256_loadu_ps(factors + 8 * u)),
                                   _mm512_permutevar_ps(level4, code4));
    const __m512 two[2] = {_mm512_mul_ps(x, _mm512_permutexvar_ps(code3, a.cosine3)),
                           _mm512_mul_ps(x, _mm512_permutexvar_ps(code3, a.sine3))};
#pragma clang loop unroll(full)
    for (int n = 0; n < 4; n++) {
      const int m = n / 2;
      const __m512i code = _mm512_srli_epi32(code1, 4 * n);
      const __m512 pair =
          _mm512_mul_ps(two[m], _mm512_permutexvar_ps(code2, n % 2 ? a.sine2[m] : a.cosine2[m]));
      sum[2 * n] =
          _mm512_add_ps(sum[2 * n], _mm512_mul_ps(pair, _mm512_permutexvar_ps(code, cosine1)));
      sum[2 * n + 1] =
          _mm512_add_ps(sum[2 * n + 1], _mm512_mul_ps(pair, _mm512_permutexvar_ps(code, sine1)));
    }
  }
#pragma clang loop unroll(full)
  for (int n = 0; n < 8; n++) _mm512_storeu_ps(sums + 16 * n, sum[n]);
}
#else
void polar_table_scores(const gyro_polar_rows *rows, const uint8_t *unit, const float *radii,
                        int64_t count, const float *query, float *scores) {
  (void)rows, (void)unit, (void)radii, (void)count, (void)query, (void)scores;
  __builtin_unreachable();
}

void polar_plane_sums(const gyro_polar_rows *rows, const uint8_t *unit, int64_t count,
                      int64_t step, const float *factors, float *sums) {
  (void)rows, (void)unit, (void)count, (void)step, (void)factors, (void)sums;
  __builtin_unreachable();
}
#endif
