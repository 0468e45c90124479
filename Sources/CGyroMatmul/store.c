#include "internal.h"

#pragma STDC FP_CONTRACT OFF

// Moves squares of results from the first-level cache to their place. The
// common case (a whole square) has constant bounds, which is what makes the
// compiler emit straight vector code for it.

__attribute__((always_inline)) static inline void
move_floats(float *c, int64_t stride, const float *square, int64_t rows, int64_t columns,
            float alpha, float beta) {
    for (int64_t i = 0; i < rows; i++, c += stride, square += PANEL) {
        if (beta == 0) {
            for (int64_t j = 0; j < columns; j++) c[j] = alpha * square[j];
        } else {
            for (int64_t j = 0; j < columns; j++) c[j] = alpha * square[j] + beta * c[j];
        }
    }
}

/// Adds the last part of the sums, in float32, and scales them with one rounding more: the product
/// of two float32 scales is exact in double.
__attribute__((always_inline)) static inline void
scale_floats(const struct float_result *result, float *c, const float *square, int64_t row,
             int64_t column, int64_t rows, int64_t columns, int is_first) {
    double scale[PANEL];
    for (int64_t j = 0; j < columns; j++)
        scale[j] = result->column_scale ? result->column_scale[column + j] : 1;
    for (int64_t i = 0; i < rows; i++, c += result->stride, square += PANEL) {
        double row_scale = result->row_scale ? result->row_scale[row + i] : 1;
        for (int64_t j = 0; j < columns; j++) {
            float sum = is_first ? square[j] : square[j] + c[j];
            c[j] = (float)(sum * (row_scale * scale[j]));
        }
    }
}

GYRO_CLONES
void gyro_store_floats(const struct float_result *result, const float *square, int64_t row,
                       int64_t column, int64_t rows, int64_t columns, int first_pass,
                       int last_pass) {
    float *c = result->data + row * result->stride + column;
    float beta = first_pass ? result->beta : 1;
    int is_whole = rows == PANEL && columns == PANEL;
    if (last_pass && (result->row_scale || result->column_scale)) {
        if (is_whole) scale_floats(result, c, square, row, column, PANEL, PANEL, first_pass);
        else scale_floats(result, c, square, row, column, rows, columns, first_pass);
    } else if (is_whole) {
        move_floats(c, result->stride, square, PANEL, PANEL, result->alpha, beta);
    } else {
        move_floats(c, result->stride, square, rows, columns, result->alpha, beta);
    }
}

__attribute__((always_inline)) static inline void
move_scaled(const struct integer_result *result, float *c, const int32_t *sums, int64_t sum_stride,
            int64_t row, int64_t column, int64_t rows, int64_t columns) {
    // The product of two float32 scales is exact in double; one rounding for the
    // product with the sum, one for the bias, one to float32.
    double scale[PANEL], bias[PANEL];
    for (int64_t j = 0; j < columns; j++) {
        scale[j] = result->column_scale ? result->column_scale[column + j] : 1;
        bias[j] = result->bias ? result->bias[column + j] : 0;
    }
    for (int64_t i = 0; i < rows; i++, c += result->stride, sums += sum_stride) {
        double row_scale = result->row_scale ? result->row_scale[row + i] : 1;
        for (int64_t j = 0; j < columns; j++)
            c[j] = (float)((double)sums[j] * (row_scale * scale[j]) + bias[j]);
    }
}

GYRO_CLONES
void gyro_store_integers(const struct integer_result *result, const int32_t *sums,
                         int64_t sum_stride, int64_t row, int64_t column, int64_t rows,
                         int64_t columns) {
    if (!result->values) {
        int32_t *c = result->sums + row * result->stride + column;
        for (int64_t i = 0; i < rows; i++, c += result->stride, sums += sum_stride)
            for (int64_t j = 0; j < columns; j++) c[j] = sums[j];
        return;
    }
    float *c = result->values + row * result->stride + column;
    if (rows == PANEL && columns == PANEL) {
        move_scaled(result, c, sums, sum_stride, row, column, PANEL, PANEL);
        return;
    }
    for (int64_t j = 0; j < columns; j += PANEL)
        move_scaled(result, c + j, sums + j, sum_stride, row, column + j, rows,
                    smaller(PANEL, columns - j));
}
