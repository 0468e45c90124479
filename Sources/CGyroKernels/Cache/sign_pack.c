#include "cache_variant.h"
#include "gyro_cache_sign.h"

GYRO_CLONES
static void pack_token(const float *projection, int64_t words, uint32_t *word) {
  for (int64_t w = 0; w < words; w++) {
    uint32_t bits = 0;
    for (uint32_t i = 0; i < 32; i++) bits |= (uint32_t)(projection[32 * w + i] > 0) << i;
    word[w * gyro_sign_tokens] = bits;
  }
}

void gyro_sign_pack(const float *projections, int64_t tokens, int64_t stride, int64_t rows,
                    int64_t first, uint32_t *codes) {
  const int64_t words = rows / 32;
  for (int64_t i = 0; i < tokens; i++) {
    const int64_t token = first + i, block = token / gyro_sign_tokens;
    pack_token(projections + i * stride, words,
               codes + block * words * gyro_sign_tokens + token % gyro_sign_tokens);
  }
}
