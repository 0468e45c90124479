#include "internal.h"

#pragma STDC FP_CONTRACT OFF

// Where bfloat16 is no faster than float32 the codes become float32 and the
// scales go into a copy of G.

struct conversion {
    int64_t columns;
    const float *g;
    const float *row_scale, *column_scale;
    const int8_t *codes;
    float *values;
};

GYRO_CLONES
static void convert_codes(const int8_t *codes, float *values, int64_t count) {
    for (int64_t i = 0; i < count; i++) values[i] = codes[i];
}

GYRO_CLONES
static void scale_row(const float *g, const float *column_scale, float row_scale, float *values,
                      int64_t count) {
    if (column_scale)
        for (int64_t i = 0; i < count; i++) values[i] = g[i] * column_scale[i];
    else
        for (int64_t i = 0; i < count; i++) values[i] = g[i] * row_scale;
}

static void convert_rows(void *context, int64_t begin, int64_t end, int thread) {
    (void)thread;
    struct conversion *c = context;
    for (int64_t i = begin; i < end; i++) {
        int64_t at = i * c->columns;
        if (c->codes)
            convert_codes(c->codes + at, c->values + at, c->columns);
        else
            scale_row(c->g + at, c->column_scale, c->row_scale ? c->row_scale[i] : 1,
                      c->values + at, c->columns);
    }
}

static void convert(int64_t rows, struct conversion *conversion) {
    gyro_parallel_for(rows, larger(1, 16384 / larger(1, conversion->columns)), convert_rows,
                      conversion);
}

/// The product by float32. G is [m,n]; the codes have `code_rows` rows of k.
static int by_float32(int transposed, int64_t m, int64_t n, int64_t k, const float *g,
                      const float *row_scale, const float *column_scale, const int8_t *codes,
                      float *out, float beta) {
    int64_t code_rows = transposed ? m : n;
    int scaled = row_scale || column_scale;
    size_t code_bytes = ((size_t)(code_rows * k) * sizeof(float) + 63) / 64 * 64;
    size_t g_bytes = scaled ? (size_t)(m * n) * sizeof(float) : 0;
    char *memory = gyro_scratch(SCRATCH_VALUES, code_bytes + g_bytes);
    if (!memory) return GYRO_MATMUL_OUT_OF_MEMORY;
    float *values = (float *)memory, *scaled_g = (float *)(memory + code_bytes);
    convert(code_rows, &(struct conversion){.columns = k, .codes = codes, .values = values});
    if (scaled) {
        convert(m, &(struct conversion){.columns = n, .g = g, .row_scale = row_scale,
                                        .column_scale = column_scale, .values = scaled_g});
        g = scaled_g;
    }
    if (transposed) return gyro_matmul_f32(1, 0, n, k, m, 1, g, n, values, k, beta, out, k);
    return gyro_matmul_f32(0, 0, m, k, n, 1, g, n, values, k, beta, out, k);
}

static int valid(int64_t m, int64_t n, int64_t k, int terms) {
    return m >= 0 && n >= 0 && k >= 0 && terms >= 1 && terms <= 3;
}

int gyro_matmul_f32_codes(int64_t m, int64_t n, int64_t k, const float *g,
                          const float *column_scale, const int8_t *codes, float *out, int terms) {
    if (!valid(m, n, k, terms)) return GYRO_MATMUL_INVALID;
    if (m == 0 || k == 0) return GYRO_MATMUL_OK;
#if defined(__x86_64__)
    if (gyro_matmul_engine() >= GYRO_ENGINE_AMX && n > 0) {
        struct bfloat16_source left = {.data = g, .stride = n, .extent = m, .k_is_contiguous = 1,
                                       .k_scale = column_scale, .terms = terms};
        struct bfloat16_source right = {.data = codes, .stride = k, .extent = k, .is_codes = 1,
                                        .terms = 1};
        struct float_result result = {out, k, 1, 0};
        return gyro_amx_bfloat16(m, k, n, &left, &right, &result);
    }
#endif
    return by_float32(0, m, n, k, g, NULL, column_scale, codes, out, 0);
}

int gyro_matmul_f32_transposed_codes(int64_t m, int64_t n, int64_t k, const float *g,
                                     const float *row_scale, const int8_t *codes, float *out,
                                     int terms, float beta) {
    if (!valid(m, n, k, terms)) return GYRO_MATMUL_INVALID;
    if (n == 0 || k == 0) return GYRO_MATMUL_OK;
#if defined(__x86_64__)
    if (gyro_matmul_engine() >= GYRO_ENGINE_AMX && m > 0) {
        struct bfloat16_source left = {.data = g, .stride = n, .extent = n, .k_scale = row_scale,
                                       .terms = terms};
        struct bfloat16_source right = {.data = codes, .stride = k, .extent = k, .is_codes = 1,
                                        .terms = 1};
        struct float_result result = {out, k, 1, beta};
        return gyro_amx_bfloat16(n, k, m, &left, &right, &result);
    }
#endif
    return by_float32(1, m, n, k, g, row_scale, NULL, codes, out, beta);
}
