#include "gyro_matmul.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

float gyro_reference_round_bfloat16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (isnan(value)) bits |= 0x400000;
    else bits += 0x7fff + (bits >> 16 & 1);
    bits &= 0xffff0000;
    memcpy(&value, &bits, sizeof bits);
    return value;
}

static float combine(double sum, float alpha, float beta, float old) {
    return (float)(alpha * sum + (beta == 0 ? 0 : (double)beta * old));
}

void gyro_reference_matmul_f32(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k,
                               float alpha, const float *a, int64_t lda, const float *b,
                               int64_t ldb, float beta, float *c, int64_t ldc) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t p = 0; p < k; p++)
                sum += (double)(trans_a ? a[p * lda + i] : a[i * lda + p]) *
                       (trans_b ? b[j * ldb + p] : b[p * ldb + j]);
            c[i * ldc + j] = combine(sum, alpha, beta, c[i * ldc + j]);
        }
}

void gyro_reference_matmul_f32_batched(int64_t batch, int64_t stride_a, int64_t stride_b,
                                       int64_t stride_c, int trans_a, int trans_b, int64_t m,
                                       int64_t n, int64_t k, float alpha, const float *a,
                                       int64_t lda, const float *b, int64_t ldb, float beta,
                                       float *c, int64_t ldc) {
    for (int64_t i = 0; i < batch; i++)
        gyro_reference_matmul_f32(trans_a, trans_b, m, n, k, alpha, a + i * stride_a, lda,
                                  b + i * stride_b, ldb, beta, c + i * stride_c, ldc);
}

void gyro_reference_matmul_f32_split(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k,
                                     float alpha, const float *a, int64_t lda, const float *b,
                                     int64_t ldb, float beta, float *c, int64_t ldc) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t p = 0; p < k; p++) {
                float x = trans_a ? a[p * lda + i] : a[i * lda + p];
                float y = trans_b ? b[j * ldb + p] : b[p * ldb + j];
                float x_high = gyro_reference_round_bfloat16(x);
                float y_high = gyro_reference_round_bfloat16(y);
                float x_low = gyro_reference_round_bfloat16(x - x_high);
                float y_low = gyro_reference_round_bfloat16(y - y_high);
                sum += (double)x_high * y_high + (double)x_high * y_low + (double)x_low * y_high;
            }
            c[i * ldc + j] = combine(sum, alpha, beta, c[i * ldc + j]);
        }
}

static int32_t integer_sum(const int8_t *a, const int8_t *b, int64_t k) {
    int32_t sum = 0;
    for (int64_t p = 0; p < k; p++) sum += a[p] * b[p];
    return sum;
}

void gyro_reference_matmul_s8(int64_t m, int64_t n, int64_t k, const int8_t *a,
                              const float *row_scale, const int8_t *b, const float *column_scale,
                              const float *bias, float *c) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double row = row_scale ? row_scale[i] : 1, column = column_scale ? column_scale[j] : 1;
            double sum = integer_sum(a + i * k, b + j * k, k);
            c[i * n + j] = (float)(sum * (row * column) + (bias ? (double)bias[j] : 0));
        }
}

void gyro_reference_matmul_s8_s32(int64_t m, int64_t n, int64_t k, const int8_t *a,
                                  const int8_t *b, int32_t *c) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) c[i * n + j] = integer_sum(a + i * k, b + j * k, k);
}

/// The value that `terms` bfloat16 pieces of x represent.
static double pieces(float x, int terms) {
    double sum = 0;
    for (int term = 0; term < terms; term++) {
        float piece = gyro_reference_round_bfloat16(x);
        sum += piece;
        x -= piece;
    }
    return sum;
}

void gyro_reference_matmul_f32_codes(int64_t m, int64_t n, int64_t k, const float *g,
                                     const float *column_scale, const int8_t *codes, float *out,
                                     int terms) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < k; j++) {
            double sum = 0;
            for (int64_t p = 0; p < n; p++) {
                float x = column_scale ? g[i * n + p] * column_scale[p] : g[i * n + p];
                sum += pieces(x, terms) * codes[p * k + j];
            }
            out[i * k + j] = (float)sum;
        }
}

void gyro_reference_matmul_f32_transposed_codes(int64_t m, int64_t n, int64_t k, const float *g,
                                                const float *row_scale, const int8_t *codes,
                                                float *out, int terms, float beta) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < k; j++) {
            double sum = 0;
            for (int64_t p = 0; p < m; p++) {
                float x = row_scale ? g[p * n + i] * row_scale[p] : g[p * n + i];
                sum += pieces(x, terms) * codes[p * k + j];
            }
            out[i * k + j] = combine(sum, 1, beta, out[i * k + j]);
        }
}
