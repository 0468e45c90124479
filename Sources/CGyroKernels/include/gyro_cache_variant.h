#pragma once

/// Which variant of a kernel runs. All give the same bits; a test may ask for each by name.
typedef enum {
  gyro_variant_best,  // of those below that this processor has
  gyro_variant_plain,
  gyro_variant_avx2,
  gyro_variant_avx512
} gyro_variant;

/// 1 when this processor can run the variant.
int gyro_variant_available(int variant);
