#include "internal.h"

#pragma STDC FP_CONTRACT OFF

// Products of factors of which at least one is not Float32: the scales are put where they belong,
// then the tile engine multiplies, or float32 does where there are no tiles.

static int is_valid(const gyro_matmul_factor *factor, int64_t columns) {
    int is_float = factor->kind == GYRO_FACTOR_FLOAT32;
    return factor->kind >= GYRO_FACTOR_FLOAT32 && factor->kind <= GYRO_FACTOR_INT8 &&
           factor->stride >= columns && !(is_float && factor->scale);
}

#if defined(__x86_64__)
static int by_tiles(int pieces, int trans_a, int trans_b, int64_t m, int64_t n, int64_t k,
                    const gyro_matmul_factor *a, const gyro_matmul_factor *b, float *c,
                    int is_lower) {
    struct bfloat16_source left = {.kind = a->kind, .data = a->data, .stride = a->stride,
                                   .extent = m, .k_is_contiguous = !trans_a};
    struct bfloat16_source right = {.kind = b->kind, .data = b->data, .stride = b->stride,
                                    .extent = n, .k_is_contiguous = trans_b != 0};
    struct float_result result = {.data = c, .stride = n, .alpha = 1, .is_lower = is_lower};
    if (!trans_a) result.row_scale = a->scale;
    else if (a->scale) (b->kind == GYRO_FACTOR_FLOAT32 ? &right : &left)->k_scale = a->scale;
    if (trans_b) result.column_scale = b->scale;
    else if (b->scale) (a->kind == GYRO_FACTOR_FLOAT32 ? &left : &right)->k_scale = b->scale;
    left.terms = left.kind == GYRO_FACTOR_FLOAT32 || left.k_scale ? pieces : 1;
    right.terms = right.kind == GYRO_FACTOR_FLOAT32 || right.k_scale ? pieces : 1;
    return gyro_amx_bfloat16(m, n, k, &left, &right, &result);
}
#endif

// MARK: by float32

struct conversion {
    const gyro_matmul_factor *factor;
    int64_t columns;
    float *values;
};

GYRO_CLONES
static void convert_row(const gyro_matmul_factor *factor, int64_t row, int64_t columns,
                        float *values) {
    float scale = factor->scale ? factor->scale[row] : 1;
    if (factor->kind == GYRO_FACTOR_INT8) {
        const int8_t *codes = (const int8_t *)factor->data + row * factor->stride;
        for (int64_t i = 0; i < columns; i++) values[i] = (float)codes[i] * scale;
    } else {
        const uint16_t *units = (const uint16_t *)factor->data + row * factor->stride;
        for (int64_t i = 0; i < columns; i++) {
            union { uint32_t bits; float value; } number = {(uint32_t)units[i] << 16};
            values[i] = number.value * scale;
        }
    }
}

static void convert_rows(void *context, int64_t begin, int64_t end, int thread) {
    (void)thread;
    struct conversion *conversion = context;
    for (int64_t row = begin; row < end; row++)
        convert_row(conversion->factor, row, conversion->columns,
                    conversion->values + row * conversion->columns);
}

/// The values of a factor: its own when they are Float32, else written to `memory`.
static const float *convert(const gyro_matmul_factor *factor, int64_t rows, int64_t columns,
                            float *memory, int64_t *stride) {
    *stride = factor->stride;
    if (factor->kind == GYRO_FACTOR_FLOAT32) return factor->data;
    struct conversion conversion = {factor, columns, memory};
    gyro_parallel_for(rows, larger(1, 16384 / larger(1, columns)), convert_rows, &conversion);
    *stride = columns;
    return memory;
}

static int by_float32(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k,
                      const gyro_matmul_factor *a, const gyro_matmul_factor *b, float *c) {
    size_t a_count = a->kind == GYRO_FACTOR_FLOAT32 ? 0 : ((size_t)(m * k) + 15) / 16 * 16;
    size_t b_count = b->kind == GYRO_FACTOR_FLOAT32 ? 0 : (size_t)(k * n);
    float *memory = gyro_scratch(SCRATCH_VALUES, (a_count + b_count) * sizeof(float));
    if (!memory) return GYRO_MATMUL_OUT_OF_MEMORY;
    int64_t lda, ldb;
    const float *left = convert(a, trans_a ? k : m, trans_a ? m : k, memory, &lda);
    const float *right = convert(b, trans_b ? n : k, trans_b ? k : n, memory + a_count, &ldb);
    return gyro_matmul_f32(trans_a, trans_b, m, n, k, 1, left, larger(1, lda), right,
                           larger(1, ldb), 0, c, n);
}

int gyro_matmul_mixed(int pieces, int trans_a, int trans_b, int64_t m, int64_t n, int64_t k,
                      const gyro_matmul_factor *a, const gyro_matmul_factor *b, float *c) {
    if (pieces < 2 || pieces > 3 || m < 0 || n < 0 || k < 0 || !is_valid(a, trans_a ? m : k) ||
        !is_valid(b, trans_b ? k : n))
        return GYRO_MATMUL_INVALID;
    if (m == 0 || n == 0) return GYRO_MATMUL_OK;
    if (a->kind == GYRO_FACTOR_FLOAT32 && b->kind == GYRO_FACTOR_FLOAT32)
        return gyro_matmul_f32_split(pieces, trans_a, trans_b, m, n, k, 1, a->data, a->stride,
                                     b->data, b->stride, 0, c, n);
#if defined(__x86_64__)
    if (gyro_matmul_engine() >= GYRO_ENGINE_AMX)
        return by_tiles(pieces, trans_a, trans_b, m, n, k, a, b, c, 0);
#endif
    return by_float32(trans_a, trans_b, m, n, k, a, b, c);
}

int gyro_matmul_lower_gram(int pieces, int64_t n, int64_t k, const gyro_matmul_factor *x, float *c) {
    int is_float = x->kind == GYRO_FACTOR_FLOAT32;
    if ((pieces != 2 && pieces != 3 && !(pieces == 0 && is_float)) || n < 0 || k < 0 ||
        !is_valid(x, n))
        return GYRO_MATMUL_INVALID;
    if (n == 0) return GYRO_MATMUL_OK;
#if defined(__x86_64__)
    if (is_float ? pieces > 0 && gyro_matmul_split_is_fast() && n >= 16 && k >= 32
                 : gyro_matmul_engine() >= GYRO_ENGINE_AMX)
        return by_tiles(pieces, 1, 0, n, n, k, x, x, c, 1);
#endif
    if (!is_float) return by_float32(1, 0, n, n, k, x, x, c);
    // Blocks of rows, each as far as its last column of the triangle.
    enum { BLOCK = 256 };
    const float *values = x->data;
    for (int64_t first = 0; first < n; first += BLOCK) {
        int64_t height = smaller(BLOCK, n - first);
        int status = gyro_matmul_f32(1, 0, height, first + height, k, 1, values + first, x->stride,
                                     values, x->stride, 0, c + first * n, n);
        if (status != GYRO_MATMUL_OK) return status;
    }
    return GYRO_MATMUL_OK;
}
