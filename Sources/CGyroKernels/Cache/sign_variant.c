#include "cache_variant.h"

int gyro_variant_available(int variant) {
#if defined(__x86_64__)
  if (variant == gyro_variant_avx512) return __builtin_cpu_supports("x86-64-v4") != 0;
  if (variant == gyro_variant_avx2) return __builtin_cpu_supports("x86-64-v3") != 0;
#endif
  return variant == gyro_variant_best || variant == gyro_variant_plain;
}
