#include "internal.h"

static int multiply(int64_t m, int64_t n, int64_t k, const int8_t *a, const int8_t *b,
                    const struct integer_result *result) {
    // 127 · 127 · 131072 < 2^31, with room for -128 · -128 and the shift of the
    // VNNI engine (whose intermediate sums may wrap around harmlessly).
    if (m < 0 || n < 0 || k < 0 || k > 131072) return GYRO_MATMUL_INVALID;
    if (m == 0 || n == 0) return GYRO_MATMUL_OK;
    if (!a || !b || (!result->values && !result->sums)) return GYRO_MATMUL_INVALID;
#if defined(__x86_64__)
    // Below this many rows packing B costs more than it saves.
    if (m > 4) {
        if (gyro_matmul_engine() >= GYRO_ENGINE_AMX) return gyro_amx_s8(m, n, k, a, b, result);
        if (gyro_matmul_engine() >= GYRO_ENGINE_VNNI) return gyro_vnni_s8(m, n, k, a, b, result);
    }
#endif
    return gyro_portable_s8(m, n, k, a, b, result);
}

int gyro_matmul_s8(int64_t m, int64_t n, int64_t k, const int8_t *a, const float *row_scale,
                   const int8_t *b, const float *column_scale, const float *bias, float *c) {
    struct integer_result result = {.values = c, .stride = n, .row_scale = row_scale,
                                    .column_scale = column_scale, .bias = bias};
    return multiply(m, n, k, a, b, &result);
}

int gyro_matmul_s8_s32(int64_t m, int64_t n, int64_t k, const int8_t *a, const int8_t *b,
                       int32_t *c) {
    struct integer_result result = {.sums = c, .stride = n};
    return multiply(m, n, k, a, b, &result);
}
