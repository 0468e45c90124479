#include "internal.h"

#include <string.h>

#pragma STDC FP_CONTRACT OFF

// A float32 product for builds without a library. Panels of A hold groups of
// `GROUP` rows, [group][k][GROUP]; panels of B hold [k][32].

enum { GROUP = 8 };

struct factor {
    const float *data;
    int64_t stride, extent;
    int k_is_contiguous;
};

struct product {
    struct factor a, b;
    const struct float_result *result;
};

/// Copies [k][width] of one factor, padding with zeros.
static void copy_panel(const struct factor *f, int64_t i, int64_t width, int64_t k_begin,
                       int64_t k_end, float *to) {
    int64_t valid = larger(0, smaller(width, f->extent - i));
    if (valid < width) memset(to, 0, (size_t)((k_end - k_begin) * width) * sizeof *to);
    if (f->k_is_contiguous) {
        for (int64_t j = 0; j < valid; j++) {
            const float *from = f->data + (i + j) * f->stride;
            for (int64_t k = k_begin; k < k_end; k++) to[(k - k_begin) * width + j] = from[k];
        }
    } else {
        for (int64_t k = k_begin; k < k_end; k++, to += width)
            memcpy(to, f->data + k * f->stride + i, (size_t)valid * sizeof *to);
    }
}

static void pack_a(const struct panel_job *job, int64_t first, int64_t panels, int64_t k_begin,
                   int64_t k_end, void *to, size_t panel_bytes) {
    const struct product *p = job->context;
    for (int64_t panel = 0; panel < panels; panel++)
        for (int64_t group = 0; group < PANEL / GROUP; group++)
            copy_panel(&p->a, (first + panel) * PANEL + group * GROUP, GROUP, k_begin, k_end,
                       (float *)((char *)to + (size_t)panel * panel_bytes) +
                           group * GROUP * (k_end - k_begin));
}

static void pack_b(const struct panel_job *job, int64_t first, int64_t panels, int64_t k_begin,
                   int64_t k_end, void *to, size_t panel_bytes) {
    const struct product *p = job->context;
    for (int64_t panel = 0; panel < panels; panel++)
        copy_panel(&p->b, (first + panel) * PANEL, PANEL, k_begin, k_end,
                   (float *)((char *)to + (size_t)panel * panel_bytes));
}

typedef float vector __attribute__((vector_size(64), aligned(64)));

/// `rows` rows × 32 columns; every register width splits the vectors itself.
#define KERNEL(name, attributes, rows, columns, fma) \
    attributes static void name(const void *a_panel, const void *b_panel, int64_t k, \
                                void *square) { \
        for (int64_t row = 0; row < PANEL; row += (rows)) { \
            for (int64_t column = 0; column < PANEL; column += (columns)*16) { \
                const float *a = (const float *)a_panel + row / GROUP * GROUP * k + row % GROUP; \
                const float *b = (const float *)b_panel + column; \
                vector sum[rows][columns]; \
                memset(sum, 0, sizeof sum); \
                for (int64_t i = 0; i < k; i++, a += GROUP, b += PANEL) { \
                    _Pragma("unroll") for (int r = 0; r < (rows); r++) { \
                        _Pragma("unroll") for (int c = 0; c < (columns); c++) { \
                            vector x = *(const vector *)(b + 16 * c), y = a[r] - (vector){}; /* spread */ \
                            sum[r][c] = fma; \
                        } \
                    } \
                } \
                for (int r = 0; r < (rows); r++) \
                    for (int c = 0; c < (columns); c++) \
                        *(vector *)((float *)square + (row + r) * PANEL + column + 16 * c) = \
                            sum[r][c]; \
            } \
        } \
    }

#if defined(__x86_64__)
KERNEL(kernel_512, __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw"))), 8, 2,
       __builtin_elementwise_fma(x, y, sum[r][c]))
KERNEL(kernel_256, __attribute__((target("avx2,fma"))), 4, 1,
       __builtin_elementwise_fma(x, y, sum[r][c]))
KERNEL(kernel_128, , 2, 1, (x * y + sum[r][c]))
#elif defined(__aarch64__)
KERNEL(kernel_neon, , 4, 1, __builtin_elementwise_fma(x, y, sum[r][c]))
#else
KERNEL(kernel_plain, , 2, 1, (x * y + sum[r][c]))
#endif

static void store(const struct panel_job *job, const void *square, int64_t row, int64_t column,
                  int64_t rows, int64_t columns, int first_pass, int last_pass) {
    const struct product *p = job->context;
    gyro_store_floats(p->result, square, row, column, rows, columns, first_pass, last_pass);
}

int gyro_portable_f32(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, const float *a,
                      int64_t lda, const float *b, int64_t ldb, const struct float_result *result) {
    struct product product = {{a, lda, m, !trans_a}, {b, ldb, n, trans_b}, result};
    struct panel_job job = {
        .m = m, .n = n, .k = k, .k_unit = 1, .k_chunk = 256,
        .a_unit_bytes = PANEL * sizeof(float), .b_unit_bytes = PANEL * sizeof(float),
        .pack_a = pack_a, .pack_b = pack_b, .store = store, .context = &product,
        .result = result->data, .result_stride = result->stride,
    };
#if defined(__x86_64__)
    if (gyro_matmul_engine() >= GYRO_ENGINE_VNNI) job.kernel = kernel_512;
    else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) job.kernel = kernel_256;
    else job.kernel = kernel_128;
#elif defined(__aarch64__)
    job.kernel = kernel_neon;
#else
    job.kernel = kernel_plain;
#endif
    return gyro_run_panels(&job);
}
