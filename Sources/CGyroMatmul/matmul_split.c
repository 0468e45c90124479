#include "internal.h"

int gyro_matmul_f32_split(int pieces, int trans_a, int trans_b, int64_t m, int64_t n, int64_t k,
                          float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
                          float beta, float *c, int64_t ldc) {
    if (pieces != 2 && pieces != 3) return GYRO_MATMUL_INVALID;
#if defined(__x86_64__)
    // Squares of 32 × 32 are the grain: a thin product would multiply padding.
    if (gyro_matmul_split_is_fast() && m >= 16 && n >= 16 && k >= 32) {
        if (lda < (trans_a ? m : k) || ldb < (trans_b ? k : n) || ldc < n)
            return GYRO_MATMUL_INVALID;
        struct bfloat16_source left = {.data = a, .stride = lda, .extent = m,
                                       .k_is_contiguous = !trans_a, .terms = pieces};
        struct bfloat16_source right = {.data = b, .stride = ldb, .extent = n,
                                        .k_is_contiguous = trans_b != 0, .terms = pieces};
        struct float_result result = {.data = c, .stride = ldc, .alpha = alpha, .beta = beta};
        return gyro_amx_bfloat16(m, n, k, &left, &right, &result);
    }
#endif
    return gyro_matmul_f32(trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
