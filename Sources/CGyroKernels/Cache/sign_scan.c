#include "sign_scan.h"

#include "cache_variant.h"
#include "gyro_cache_sign.h"

enum { tokens = gyro_sign_tokens };

GYRO_CLONES
void gyro_sign_tables(const float *sketched, int64_t rows, float *tables) {
  const gyro_lanes signs[4] = {
      {-1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1},
      {-1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1},
      {-1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1},
      {-1, -1, -1, -1, -1, -1, -1, -1, 1, 1, 1, 1, 1, 1, 1, 1}};
  for (int64_t i = 0; i < rows; i += 4) {
    gyro_lanes sum = sketched[i] * signs[0];
    for (int j = 1; j < 4; j++) sum += sketched[i + j] * signs[j];
    GYRO_STORE(tables + 4 * i, sum);
  }
}

static void scan_plain(const uint32_t *codes, int64_t blocks, int64_t words, const float *tables,
                       float *sums) {
  for (int64_t b = 0; b < blocks; b++, sums += tokens) {
    float sum[2][tokens] = {{0}};
    for (int64_t w = 0; w < words; w++, codes += tokens)
      for (int t = 0; t < tokens; t++)
        for (int n = 0; n < 8; n++)
          sum[w % 2][t] += tables[(8 * w + n) * 16 + (codes[t] >> 4 * n & 15)];
    for (int t = 0; t < tokens; t++) sums[t] = sum[0][t] + sum[1][t];
  }
}

#if defined(__x86_64__)
// `count` blocks at a time, because one addition has to wait for the last.

GYRO_WIDE GYRO_INLINE void wide_blocks(const int count, const uint32_t *codes, int64_t words,
                                       const float *tables, float *sums) {
  __m512 sum[4][2];
#pragma clang loop unroll(full)
  for (int b = 0; b < count; b++) sum[b][0] = sum[b][1] = _mm512_setzero_ps();
  for (int64_t w = 0; w < words; w += 2, tables += 256)
#pragma clang loop unroll(full)
    for (int odd = 0; odd < 2; odd++) {
      __m512i bits[4];
#pragma clang loop unroll(full)
      for (int b = 0; b < count; b++)
        bits[b] = _mm512_loadu_si512(codes + (b * words + w + odd) * tokens);
#pragma clang loop unroll(full)
      for (int n = 0; n < 8; n++) {
        const __m512 table = _mm512_loadu_ps(tables + 128 * odd + 16 * n);
#pragma clang loop unroll(full)
        for (int b = 0; b < count; b++) {
          sum[b][odd] = _mm512_add_ps(sum[b][odd], _mm512_permutexvar_ps(bits[b], table));
          bits[b] = _mm512_srli_epi32(bits[b], 4);
        }
      }
    }
#pragma clang loop unroll(full)
  for (int b = 0; b < count; b++)
    _mm512_storeu_ps(sums + b * tokens, _mm512_add_ps(sum[b][0], sum[b][1]));
}

GYRO_WIDE static void scan_wide(const uint32_t *codes, int64_t blocks, int64_t words,
                                const float *tables, float *sums) {
  int64_t b = 0;
  for (; b + 4 <= blocks; b += 4)
    wide_blocks(4, codes + b * words * tokens, words, tables, sums + b * tokens);
  for (; b + 2 <= blocks; b += 2)
    wide_blocks(2, codes + b * words * tokens, words, tables, sums + b * tokens);
  if (b < blocks) wide_blocks(1, codes + b * words * tokens, words, tables, sums + b * tokens);
}

/// Eight entries fit a register here: the top bit of a nibble chooses between two.
GYRO_MIDDLE static void scan_middle(const uint32_t *codes, int64_t blocks, int64_t words,
                                    const float *tables, float *sums) {
  for (int64_t b = 0; b < blocks; b++, sums += tokens, codes += words * tokens) {
    __m256 sum[2][2];
    for (int i = 0; i < 2; i++) sum[i][0] = sum[i][1] = _mm256_setzero_ps();
    for (int64_t w = 0; w < words; w += 2)
#pragma clang loop unroll(full)
      for (int odd = 0; odd < 2; odd++) {
        const uint32_t *word = codes + (w + odd) * tokens;
        __m256i bits[2];
        for (int i = 0; i < 2; i++) bits[i] = _mm256_loadu_si256((const __m256i *)(word + 8 * i));
#pragma clang loop unroll(full)
        for (int n = 0; n < 8; n++) {
          const float *table = tables + (8 * (w + odd) + n) * 16;
          const __m256 low = _mm256_loadu_ps(table), high = _mm256_loadu_ps(table + 8);
#pragma clang loop unroll(full)
          for (int i = 0; i < 2; i++) {
            const __m256 top = _mm256_castsi256_ps(_mm256_slli_epi32(bits[i], 28));
            const __m256 entry =
                _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, bits[i]),
                                 _mm256_permutevar8x32_ps(high, bits[i]), top);
            sum[i][odd] = _mm256_add_ps(sum[i][odd], entry);
            bits[i] = _mm256_srli_epi32(bits[i], 4);
          }
        }
      }
    for (int i = 0; i < 2; i++)
      _mm256_storeu_ps(sums + 8 * i, _mm256_add_ps(sum[i][0], sum[i][1]));
  }
}
#endif

void gyro_sign_scan(int variant, const uint32_t *codes, int64_t blocks, int64_t words,
                    const float *tables, float *sums) {
  (void)variant;
#if defined(__x86_64__)
  if (variant == gyro_variant_avx512) {
    scan_wide(codes, blocks, words, tables, sums);
    return;
  }
  if (variant == gyro_variant_avx2) {
    scan_middle(codes, blocks, words, tables, sums);
    return;
  }
#endif
  scan_plain(codes, blocks, words, tables, sums);
}
