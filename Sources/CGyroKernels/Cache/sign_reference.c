#include "cache_half.h"
#include "gyro_cache_sign.h"

static float sign_of(const uint32_t *words, int64_t row) {
  return words[row / 32 * gyro_sign_tokens] >> (row % 32) & 1 ? 1.0f : -1.0f;
}

void gyro_reference_sign_scores(const gyro_sign_keys *keys, const float *sketched, int64_t queries,
                                int64_t query_heads, float *scores, int64_t stride) {
  const int64_t words = keys->rows / 32, sharing = query_heads / keys->heads;
  for (int64_t row = 0; row < queries * query_heads; row++) {
    const int64_t head = row % query_heads / sharing;
    const float *q = sketched + row * keys->rows;
    for (int64_t token = 0; token < keys->tokens; token++) {
      const int64_t block = head * keys->blocks + token / gyro_sign_tokens;
      const uint32_t *k =
          keys->codes + block * words * gyro_sign_tokens + token % gyro_sign_tokens;
      float halves[2] = {0, 0};
      for (int64_t i = 0; i < keys->rows; i += 4) {
        float four = q[i] * sign_of(k, i);
        for (int64_t j = 1; j < 4; j++) four += q[i + j] * sign_of(k, i + j);
        halves[i / 32 % 2] += four;
      }
      const float norm =
          half_to_float(keys->norms[block * gyro_sign_tokens + token % gyro_sign_tokens]);
      scores[row * stride + token] = (halves[0] + halves[1]) * keys->factor * norm;
    }
  }
}
