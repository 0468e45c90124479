#include "value_scan.h"

#include "cache_variant.h"
#include "gyro_cache_value.h"

// A nibble's table: Σ_j weight_j · unit · (the bits of token j in its index), j first to last.

/// unit · digit of token j in the indices 0 ..< 16.
static void make_digits(int32_t bits, float unit, float digits[4][16]) {
  for (int j = 0; j < 4 / bits; j++)
    for (int n = 0; n < 16; n++)
      digits[j][n] = unit * (float)(n >> j * bits & ((1 << bits) - 1));
}

static void scan_plain(const gyro_value_rows *r, float *sums) {
  float digits[4][16];
  make_digits(r->bits, r->unit, digits);
  const int sharing = 4 / r->bits;
  for (int64_t start = 0; start < r->head_size; start += 32, sums += 32) {
    const float *weights = r->weights + start / r->group * gyro_value_chunk;
    const int64_t width = r->head_size - start < 32 ? r->head_size - start : 32;
    const uint8_t *row = r->rows + start / 2;
    for (int64_t i = 0; i < r->count; i++, row += r->head_size / 2) {
      float table[16];
      for (int n = 0; n < 16; n++) {
        table[n] = weights[i * sharing] * digits[0][n];
        for (int j = 1; j < sharing; j++) table[n] += weights[i * sharing + j] * digits[j][n];
      }
      for (int64_t c = 0; c < width / 2; c++) {
        sums[c] += table[row[c] & 15];
        sums[16 + c] += table[row[c] >> 4];
      }
    }
  }
}

#if defined(__x86_64__)

/// `vectors` times 32 channels; their sums stay in registers while the rows pass.
GYRO_WIDE GYRO_INLINE void wide_columns(const int sharing, const int vectors,
                                        const gyro_value_rows *r, int64_t start,
                                        const float digits[4][16], float *sums) {
  __m512 sum[4][2], digit[4];
  const float *weights[4];
#pragma clang loop unroll(full)
  for (int j = 0; j < sharing; j++) digit[j] = _mm512_loadu_ps(digits[j]);
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++) {
    weights[v] = r->weights + (start + 32 * v) / r->group * gyro_value_chunk;
    for (int odd = 0; odd < 2; odd++) sum[v][odd] = _mm512_loadu_ps(sums + 32 * v + 16 * odd);
  }
  const uint8_t *row = r->rows + start / 2;
  for (int64_t i = 0; i < r->count; i++, row += r->head_size / 2)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
      const float *weight = weights[v] + i * sharing;
      __m512 table = _mm512_mul_ps(_mm512_set1_ps(weight[0]), digit[0]);
#pragma clang loop unroll(full)
      for (int j = 1; j < sharing; j++)
        table = _mm512_add_ps(table, _mm512_mul_ps(_mm512_set1_ps(weight[j]), digit[j]));
      const __m512i low =
          _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(row + 16 * v)));
      const __m512i high = _mm512_srli_epi32(low, 4);
      sum[v][0] = _mm512_add_ps(sum[v][0], _mm512_permutexvar_ps(low, table));
      sum[v][1] = _mm512_add_ps(sum[v][1], _mm512_permutexvar_ps(high, table));
    }
#pragma clang loop unroll(full)
  for (int v = 0; v < vectors; v++)
    for (int odd = 0; odd < 2; odd++) _mm512_storeu_ps(sums + 32 * v + 16 * odd, sum[v][odd]);
}

GYRO_WIDE GYRO_INLINE void wide_plane(const int sharing, const gyro_value_rows *r,
                                      const float digits[4][16], float *sums) {
  int64_t start = 0;
  for (; start + 96 < r->head_size; start += 128, sums += 128)
    wide_columns(sharing, 4, r, start, digits, sums);
  for (; start + 32 < r->head_size; start += 64, sums += 64)
    wide_columns(sharing, 2, r, start, digits, sums);
  if (start < r->head_size) wide_columns(sharing, 1, r, start, digits, sums);
}

GYRO_WIDE static void scan_wide(const gyro_value_rows *r, float *sums) {
  float digits[4][16];
  make_digits(r->bits, r->unit, digits);
  if (r->bits == 1) wide_plane(4, r, digits, sums);
  if (r->bits == 2) wide_plane(2, r, digits, sums);
  if (r->bits == 4) wide_plane(1, r, digits, sums);
}

/// 16 channels at a time; the top bit of a nibble chooses between the halves of the table.
GYRO_MIDDLE GYRO_INLINE void middle_columns(const int sharing, const gyro_value_rows *r,
                                            int64_t start, const float digits[4][16],
                                            float *even, float *odd) {
  __m256 sum[2] = {_mm256_loadu_ps(even), _mm256_loadu_ps(odd)};
  const float *weight = r->weights + start / r->group * gyro_value_chunk;
  const uint8_t *row = r->rows + start / 2;
  for (int64_t i = 0; i < r->count; i++, row += r->head_size / 2, weight += sharing) {
    __m256 half[2];
#pragma clang loop unroll(full)
    for (int h = 0; h < 2; h++) {
      half[h] = _mm256_mul_ps(_mm256_set1_ps(weight[0]), _mm256_loadu_ps(digits[0] + 8 * h));
#pragma clang loop unroll(full)
      for (int j = 1; j < sharing; j++)
        half[h] = _mm256_add_ps(half[h], _mm256_mul_ps(_mm256_set1_ps(weight[j]),
                                                       _mm256_loadu_ps(digits[j] + 8 * h)));
    }
    __m256i index = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)row));
#pragma clang loop unroll(full)
    for (int k = 0; k < 2; k++) {
      const __m256 top = _mm256_castsi256_ps(_mm256_slli_epi32(index, 28));
      sum[k] = _mm256_add_ps(sum[k],
                             _mm256_blendv_ps(_mm256_permutevar8x32_ps(half[0], index),
                                              _mm256_permutevar8x32_ps(half[1], index), top));
      index = _mm256_srli_epi32(index, 4);
    }
  }
  _mm256_storeu_ps(even, sum[0]);
  _mm256_storeu_ps(odd, sum[1]);
}

GYRO_MIDDLE static void scan_middle(const gyro_value_rows *r, float *sums) {
  float digits[4][16];
  make_digits(r->bits, r->unit, digits);
  for (int64_t start = 0; start < r->head_size; start += 16) {
    float *even = sums + start / 32 * 32 + start % 32 / 2, *odd = even + 16;
    if (r->bits == 1) middle_columns(4, r, start, digits, even, odd);
    if (r->bits == 2) middle_columns(2, r, start, digits, even, odd);
    if (r->bits == 4) middle_columns(1, r, start, digits, even, odd);
  }
}
#endif

void gyro_value_scan(int variant, const gyro_value_rows *rows, float *sums) {
  (void)variant;
#if defined(__x86_64__)
  if (variant == gyro_variant_avx512) {
    scan_wide(rows, sums);
    return;
  }
  if (variant == gyro_variant_avx2) {
    scan_middle(rows, sums);
    return;
  }
#endif
  scan_plain(rows, sums);
}
