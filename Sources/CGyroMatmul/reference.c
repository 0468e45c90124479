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

/// Element (row, column) of the stored matrix, without its scale.
static float element(const gyro_matmul_factor *factor, int64_t row, int64_t column) {
    int64_t index = row * factor->stride + column;
    if (factor->kind == GYRO_FACTOR_INT8) return ((const int8_t *)factor->data)[index];
    if (factor->kind == GYRO_FACTOR_FLOAT32) return ((const float *)factor->data)[index];
    uint32_t bits = (uint32_t)((const uint16_t *)factor->data)[index] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/// Cuts a value into pieces; returns how many there are.
static int cut(float value, int is_cut, int pieces, double piece[3]) {
    if (!is_cut) {
        piece[0] = value;
        return 1;
    }
    for (int i = 0; i < pieces; i++) {
        piece[i] = gyro_reference_round_bfloat16(value);
        value -= (float)piece[i];
    }
    return pieces;
}

void gyro_reference_matmul_mixed(int pieces, int trans_a, int trans_b, int64_t m, int64_t n,
                                 int64_t k, const gyro_matmul_factor *a,
                                 const gyro_matmul_factor *b, float *c) {
    int a_is_float = a->kind == GYRO_FACTOR_FLOAT32, b_is_float = b->kind == GYRO_FACTOR_FLOAT32;
    int a_is_cut = a_is_float || (!b_is_float && trans_a && a->scale);
    int b_is_cut = b_is_float || (!a_is_float && !trans_b && b->scale);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t p = 0; p < k; p++) {
                float x = trans_a ? element(a, p, i) : element(a, i, p);
                float y = trans_b ? element(b, j, p) : element(b, p, j);
                if (trans_a && a->scale) *(b_is_float ? &y : &x) *= a->scale[p];
                if (!trans_b && b->scale) *(a_is_float ? &x : &y) *= b->scale[p];
                double x_piece[3], y_piece[3];
                int x_count = cut(x, a_is_cut, pieces, x_piece);
                int y_count = cut(y, b_is_cut, pieces, y_piece);
                int most = x_count > y_count ? x_count : y_count;
                for (int s = 0; s < x_count; s++)
                    for (int t = 0; t < y_count && s + t < most; t++)
                        sum += x_piece[s] * y_piece[t];
            }
            double row = !trans_a && a->scale ? a->scale[i] : 1;
            double column = trans_b && b->scale ? b->scale[j] : 1;
            c[i * n + j] = (float)((double)(float)sum * (row * column));
        }
}
