#pragma once
#include "gyro_cache_variant.h"
#include "gyro_clones.h"
#include "gyro_lanes.h"

// Table lookups inside registers are intrinsics: no portable vector type has them.
#if defined(__x86_64__)
#include <immintrin.h>
#define GYRO_WIDE __attribute__((target("arch=x86-64-v4"), min_vector_width(512)))
#define GYRO_MIDDLE __attribute__((target("arch=x86-64-v3")))
#endif

/// The variant to run when `wanted` is asked for.
static inline int chosen_variant(int wanted) {
  if (wanted != gyro_variant_best) return wanted;
  if (gyro_variant_available(gyro_variant_avx512)) return gyro_variant_avx512;
  if (gyro_variant_available(gyro_variant_avx2)) return gyro_variant_avx2;
  return gyro_variant_plain;
}
