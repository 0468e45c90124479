#include "cache_chunks.h"

#include "cache_half.h"
#include "cache_variant.h"

#pragma STDC FP_CONTRACT OFF

static void widen_plain(const uint16_t *halves, int64_t count, float *floats) {
  for (int64_t i = 0; i < count; i++) floats[i] = half_to_float(halves[i]);
}

#if defined(__x86_64__)
// The same numbers by the processor's own conversion, a tenth of the instructions.

GYRO_WIDE static void widen_wide(const uint16_t *halves, int64_t count, float *floats) {
  int64_t i = 0;
  for (; i + 16 <= count; i += 16)
    _mm512_storeu_ps(floats + i,
                     _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(halves + i))));
  for (; i < count; i++) floats[i] = _cvtsh_ss(halves[i]);
}

GYRO_MIDDLE static void widen_middle(const uint16_t *halves, int64_t count, float *floats) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8)
    _mm256_storeu_ps(floats + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(halves + i))));
  for (; i < count; i++) floats[i] = _cvtsh_ss(halves[i]);
}
#endif

void cache_widen(int variant, const uint16_t *halves, int64_t count, float *floats) {
#if defined(__x86_64__)
  if (variant == gyro_variant_avx512) {
    widen_wide(halves, count, floats);
    return;
  }
  if (variant == gyro_variant_avx2) {
    widen_middle(halves, count, floats);
    return;
  }
#endif
  (void)variant;
  widen_plain(halves, count, floats);
}

GYRO_CLONES
void cache_multiply(const float *restrict a, const float *restrict b, int64_t count,
                    float *restrict products) {
  for (int64_t i = 0; i < count; i++) products[i] = a[i] * b[i];
}

GYRO_CLONES
void cache_add(const float *restrict x, int64_t count, float *restrict sums) {
  for (int64_t i = 0; i < count; i++) sums[i] += x[i];
}

GYRO_CLONES
void cache_add_multiple(float factor, const float *restrict x, int64_t count,
                        float *restrict sums) {
  for (int64_t i = 0; i < count; i++) sums[i] += factor * x[i];
}

GYRO_CLONES
float cache_dot(const float *a, const float *b, int64_t count) {
  gyro_lanes sum = {0}, x, y;
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    GYRO_LOAD(x, a + i);
    GYRO_LOAD(y, b + i);
    sum += x * y;
  }
  for (int lane = 0; i + lane < count; lane++) sum[lane] += a[i + lane] * b[i + lane];
  float result;
  GYRO_TREE_SUM(result, sum);
  return result;
}
