#pragma once
#include "cache_variant.h"
#include "code_words.h"

// Sixteen look-ups at once in a table of 16, by the lowest four bits of each lane: the one thing
// the packed kernels need that the compiler does not make of plain code. A table that repeats
// itself after 2^bits numbers takes fewer instructions where registers are short.

GYRO_INLINE void gyro_lookup_plain(const float *table, const gyro_lanes_u32 *codes,
                                   gyro_lanes *values, const int bits) {
  (void)bits;
  uint32_t index[gyro_lane_count];
  float found[gyro_lane_count];
  memcpy(index, codes, 64);
  for (int lane = 0; lane < gyro_lane_count; lane++) found[lane] = table[index[lane] & 15];
  memcpy(values, found, 64);
}

#if defined(__x86_64__)
__attribute__((target("arch=x86-64-v3"), always_inline)) static inline void
gyro_lookup_avx2(const float *table, const gyro_lanes_u32 *codes, gyro_lanes *values,
                 const int bits) {
  const __m256 low = _mm256_loadu_ps(table), high = _mm256_loadu_ps(table + 8);
  __m256i half[2];
  __m256 found[2];
  memcpy(half, codes, 64);
  for (int i = 0; i < 2; i++)
    found[i] = bits < 4 ? _mm256_permutevar8x32_ps(low, half[i])
                        : _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, half[i]),
                                           _mm256_permutevar8x32_ps(high, half[i]),
                                           _mm256_castsi256_ps(_mm256_slli_epi32(half[i], 28)));
  memcpy(values, found, 64);
}

__attribute__((target("arch=x86-64-v4"), always_inline)) static inline void
gyro_lookup_avx512(const float *table, const gyro_lanes_u32 *codes, gyro_lanes *values,
                   const int bits) {
  (void)bits;
  *values = (gyro_lanes)_mm512_permutexvar_ps((__m512i)*codes, _mm512_loadu_ps(table));
}
#endif
