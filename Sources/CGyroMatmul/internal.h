#ifndef GYRO_MATMUL_INTERNAL_H
#define GYRO_MATMUL_INTERNAL_H

#include "gyro_matmul.h"
#include "gyro_parallel.h"

#include <stddef.h>
#include <stdint.h>

// Memory that a thread keeps between calls: fresh pages cost more than the
// packing that fills them.
enum { SCRATCH_SHARED, SCRATCH_BLOCK, SCRATCH_VALUES, SCRATCH_COUNT };

/// At least `bytes` bytes, 64-byte aligned, owned by the calling thread until
/// its next request for the same slot. NULL when memory is exhausted.
void *gyro_scratch(int slot, size_t bytes);

// The panel engine: both factors are copied into panels of 32 rows (columns)
// in the order in which the kernel reads them; the kernel computes a square of
// 32 × 32 results in a small buffer; `store` moves it to the result while it is
// in the first-level cache.
enum { PANEL = 32 };

struct panel_job {
    int64_t m, n, k;
    /// Only squares that touch the lower triangle are computed (m = n).
    int is_lower;
    /// k is padded to a multiple of this (zeros).
    int64_t k_unit;
    /// Longest stretch of k handled in one pass; later passes add to the result.
    int64_t k_chunk;
    /// Bytes of one panel for `k_unit` of k.
    size_t a_unit_bytes, b_unit_bytes;
    /// Packs `panels` consecutive panels starting with panel `first`, each
    /// `panel_bytes` long, for k in `k_begin ..< k_end`.
    void (*pack_a)(const struct panel_job *, int64_t first, int64_t panels, int64_t k_begin,
                   int64_t k_end, void *destination, size_t panel_bytes);
    void (*pack_b)(const struct panel_job *, int64_t first, int64_t panels, int64_t k_begin,
                   int64_t k_end, void *destination, size_t panel_bytes);
    /// Called around the work of a thread; may be NULL.
    void (*enter)(void);
    void (*leave)(void);
    void (*kernel)(const void *a, const void *b, int64_t units, void *square);
    void (*store)(const struct panel_job *, const void *square, int64_t row, int64_t column,
                  int64_t rows, int64_t columns, int first_pass, int last_pass);
    const void *context;
    /// The result (4-byte elements), for fetching its lines ahead of `store`.
    void *result;
    int64_t result_stride;
};

int gyro_run_panels(const struct panel_job *job);

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// A factor of a bfloat16 product as the packing sees it.
struct bfloat16_source {
    /// One of GYRO_FACTOR_….
    int kind;
    const void *data;
    int64_t stride;
    /// The rows or columns of the result.
    int64_t extent;
    /// 1: element (i, k) is data[i * stride + k]; 0: data[k * stride + i].
    int k_is_contiguous;
    /// Multiplies element (i, k) by k_scale[k]; may be NULL.
    const float *k_scale;
    /// bfloat16 pieces of an element: 1 when it is exact in bfloat16 and not scaled, else 2 or 3.
    int terms;
};

struct float_result {
    float *data;
    int64_t stride;
    float alpha, beta;
    /// Multiply the finished sums, in double precision; may be NULL. With either, alpha is 1 and
    /// beta 0.
    const float *row_scale, *column_scale;
    /// Whether what stands above the diagonal may be left as it is.
    int is_lower;
};

/// result = alpha · A · B + beta · result from bfloat16 pieces on AMX: all products of pieces whose
/// places add up to less than the larger number of terms. Terms that are not 1 are equal.
int gyro_amx_bfloat16(int64_t m, int64_t n, int64_t k, const struct bfloat16_source *a,
                      const struct bfloat16_source *b, const struct float_result *result);

/// What becomes of an integer sum.
struct integer_result {
    float *values;
    int32_t *sums; // used when `values` is NULL
    int64_t stride;
    const float *row_scale, *column_scale, *bias;
};

int gyro_amx_s8(int64_t m, int64_t n, int64_t k, const int8_t *a, const int8_t *b,
                const struct integer_result *result);
int gyro_vnni_s8(int64_t m, int64_t n, int64_t k, const int8_t *a, const int8_t *b,
                 const struct integer_result *result);
int gyro_portable_s8(int64_t m, int64_t n, int64_t k, const int8_t *a, const int8_t *b,
                     const struct integer_result *result);
/// Scales `rows` × `columns` sums (`sum_stride` apart) into the result.
void gyro_store_integers(const struct integer_result *result, const int32_t *sums,
                         int64_t sum_stride, int64_t row, int64_t column, int64_t rows,
                         int64_t columns);

/// The float32 product of this target, for builds without a library.
int gyro_portable_f32(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, const float *a,
                      int64_t lda, const float *b, int64_t ldb, const struct float_result *result);
void gyro_store_floats(const struct float_result *result, const float *square, int64_t row,
                        int64_t column, int64_t rows, int64_t columns, int first_pass,
                        int last_pass);

// The wide clones use fused multiply-add only where it is written out, so that
// all of them give the same bits.
#if defined(__x86_64__)
#define GYRO_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define GYRO_CLONES
#endif

#endif
