#include "internal.h"
#include "tiles.h"
#include "transpose.h"

#if defined(__x86_64__)
#include <string.h>

#define WIDE __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#define INLINE WIDE __attribute__((always_inline)) static inline

// One unit of k is 32 values: a tile is 16 rows × 32 values for A, and 16 pairs
// of k × 16 columns for B, the two values of a pair side by side. Seen as
// 32-bit words one is the transpose of the other, so both factors use the same
// two readers (k contiguous or not), followed by a transposition of words where
// the reader delivered the other form.

INLINE __m512 widen(__m256i halves) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

INLINE __m512 load_values(const struct bfloat16_source *source, int kind, int64_t index,
                          __mmask16 mask) {
    if (kind == GYRO_FACTOR_INT8) {
        __m128i codes = _mm_maskz_loadu_epi8(mask, (const int8_t *)source->data + index);
        return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes));
    }
    if (kind == GYRO_FACTOR_BFLOAT16)
        return widen(_mm256_maskz_loadu_epi16(mask, (const uint16_t *)source->data + index));
    return _mm512_maskz_loadu_ps(mask, (const float *)source->data + index);
}

INLINE __mmask16 first_lanes(int64_t count) {
    return count >= 16 ? 0xffff : count <= 0 ? 0 : (__mmask16)((1u << count) - 1);
}

/// Both readers for values that are bfloat16 already: nothing to round.
INLINE void copy_rows(const struct bfloat16_source *source, int64_t i, int64_t k, int64_t k_count,
                      __m512i tile[16]) {
    __mmask32 mask = k_count >= 32 ? ~0u : (1u << k_count) - 1;
    const uint16_t *values = (const uint16_t *)source->data + i * source->stride + k;
    for (int row = 0; row < 16; row++, values += source->stride)
        tile[row] = _mm512_maskz_loadu_epi16(i + row < source->extent ? mask : 0, values);
}

INLINE void copy_pairs(const struct bfloat16_source *source, int64_t i, int64_t k, int64_t k_count,
                       __m512i tile[16]) {
    __mmask16 lanes = first_lanes(source->extent - i);
    const uint16_t *values = (const uint16_t *)source->data + k * source->stride + i;
    for (int pair = 0; pair < 16; pair++, values += 2 * source->stride) {
        __mmask16 even = 2 * pair < k_count ? lanes : 0, odd = 2 * pair + 1 < k_count ? lanes : 0;
        __m256i first = _mm256_maskz_loadu_epi16(even, values);
        __m256i second = _mm256_maskz_loadu_epi16(odd, values + source->stride);
        tile[pair] = _mm512_or_si512(_mm512_cvtepu16_epi32(first),
                                     _mm512_slli_epi32(_mm512_cvtepu16_epi32(second), 16));
    }
}

/// 16 rows of 32 values with k contiguous: the form of A.
INLINE void read_rows(const struct bfloat16_source *source, int kind, int terms, int64_t i,
                      int64_t k, int64_t k_count, __m512i tile[3][16]) {
    __mmask16 low = first_lanes(k_count), high = first_lanes(k_count - 16);
    __m512 scale_low = _mm512_set1_ps(1), scale_high = scale_low;
    if (source->k_scale) {
        scale_low = _mm512_maskz_loadu_ps(low, source->k_scale + k);
        scale_high = _mm512_maskz_loadu_ps(high, source->k_scale + k + 16);
    }
    for (int row = 0; row < 16; row++) {
        int inside = i + row < source->extent;
        int64_t index = (i + row) * source->stride + k;
        __m512 x = load_values(source, kind, index, inside ? low : 0);
        __m512 y = load_values(source, kind, index + 16, inside ? high : 0);
        x = _mm512_mul_ps(x, scale_low);
        y = _mm512_mul_ps(y, scale_high);
        for (int term = 0; term < terms; term++) {
            __m512i piece = (__m512i)_mm512_cvtne2ps_pbh(y, x);
            tile[term][row] = piece;
            if (term + 1 == terms) break;
            x = _mm512_sub_ps(x, widen(_mm512_castsi512_si256(piece)));
            y = _mm512_sub_ps(y, widen(_mm512_extracti64x4_epi64(piece, 1)));
        }
    }
}

/// 16 pairs of k of 16 neighbours: the form of B.
INLINE void read_pairs(const struct bfloat16_source *source, int kind, int terms, int64_t i,
                       int64_t k, int64_t k_count, __m512i tile[3][16]) {
    __mmask16 lanes = first_lanes(source->extent - i);
    for (int pair = 0; pair < 16; pair++) {
        int64_t even = 2 * pair, odd = even + 1;
        int64_t index = (k + even) * source->stride + i;
        __m512 x = load_values(source, kind, index, even < k_count ? lanes : 0);
        __m512 y = load_values(source, kind, index + source->stride, odd < k_count ? lanes : 0);
        if (source->k_scale) {
            x = _mm512_mul_ps(x, _mm512_set1_ps(even < k_count ? source->k_scale[k + even] : 0));
            y = _mm512_mul_ps(y, _mm512_set1_ps(odd < k_count ? source->k_scale[k + odd] : 0));
        }
        for (int term = 0; term < terms; term++) {
            __m512 first = widen((__m256i)_mm512_cvtneps_pbh(x));
            __m512 second = widen((__m256i)_mm512_cvtneps_pbh(y));
            tile[term][pair] = _mm512_or_si512(
                _mm512_srli_epi32(_mm512_castps_si512(first), 16), _mm512_castps_si512(second));
            x = _mm512_sub_ps(x, first);
            y = _mm512_sub_ps(y, second);
        }
    }
}

INLINE void pack(const struct bfloat16_source *source, int kind, int terms, int is_a,
                 int64_t first, int64_t panels, int64_t k_begin, int64_t k_end, char *destination,
                 size_t panel_bytes) {
    __m512i tile[3][16];
    // k outside: with k strided, the panels share the lines of a row.
    for (int64_t k = k_begin; k < k_end; k += 32) {
        for (int64_t half = 0; half < 2 * panels; half++) {
            int64_t i = first * PANEL + half * 16;
            char *to = destination + (size_t)(half / 2) * panel_bytes +
                       (size_t)((k - k_begin) / 32) * (size_t)terms * 2048 + (half & 1) * 1024;
            int is_ready = kind == GYRO_FACTOR_BFLOAT16 && terms == 1;
            if (is_ready && source->k_is_contiguous)
                copy_rows(source, i, k, k_end - k, tile[0]);
            else if (is_ready)
                copy_pairs(source, i, k, k_end - k, tile[0]);
            else if (source->k_is_contiguous)
                read_rows(source, kind, terms, i, k, k_end - k, tile);
            else
                read_pairs(source, kind, terms, i, k, k_end - k, tile);
            for (int term = 0; term < terms; term++) {
                if (source->k_is_contiguous != is_a) transpose_words(tile[term]);
                for (int row = 0; row < 16; row++)
                    _mm512_store_si512(to + term * 2048 + row * 64, tile[term][row]);
            }
        }
    }
}

/// One instance for every kind and number of terms.
INLINE void pack_source(const struct bfloat16_source *source, int is_a, int64_t first,
                        int64_t panels, int64_t k_begin, int64_t k_end, char *to,
                        size_t panel_bytes) {
#define PACK(kind, terms) \
    case (kind)*4 + (terms): \
        pack(source, kind, terms, is_a, first, panels, k_begin, k_end, to, panel_bytes); \
        break;
    switch (source->kind * 4 + source->terms) {
        PACK(GYRO_FACTOR_FLOAT32, 2)
        PACK(GYRO_FACTOR_FLOAT32, 3)
        PACK(GYRO_FACTOR_BFLOAT16, 1)
        PACK(GYRO_FACTOR_BFLOAT16, 2)
        PACK(GYRO_FACTOR_BFLOAT16, 3)
        PACK(GYRO_FACTOR_INT8, 1)
        PACK(GYRO_FACTOR_INT8, 2)
        PACK(GYRO_FACTOR_INT8, 3)
    }
#undef PACK
}

struct product {
    const struct bfloat16_source *a, *b;
    const struct float_result *result;
};

WIDE static void pack_a(const struct panel_job *job, int64_t first, int64_t panels, int64_t k_begin,
                        int64_t k_end, void *to, size_t panel_bytes) {
    const struct product *product = job->context;
    pack_source(product->a, 1, first, panels, k_begin, k_end, to, panel_bytes);
}

WIDE static void pack_b(const struct panel_job *job, int64_t first, int64_t panels, int64_t k_begin,
                        int64_t k_end, void *to, size_t panel_bytes) {
    const struct product *product = job->context;
    pack_source(product->b, 0, first, panels, k_begin, k_end, to, panel_bytes);
}

static void store(const struct panel_job *job, const void *square, int64_t row, int64_t column,
                  int64_t rows, int64_t columns, int first_pass, int last_pass) {
    const struct float_result *result = ((const struct product *)job->context)->result;
    gyro_store_floats(result, square, row, column, rows, columns, first_pass, last_pass);
}

int gyro_amx_bfloat16(int64_t m, int64_t n, int64_t k, const struct bfloat16_source *a,
                      const struct bfloat16_source *b, const struct float_result *result) {
    struct product product = {a, b, result};
    // Longer stretches of k make panels that no longer stay in the caches, which
    // costs more than adding to the result again. Panels of several pieces are
    // longer already.
    struct panel_job job = {
        .m = m, .n = n, .k = k, .is_lower = result->is_lower, .k_unit = 32,
        .k_chunk = a->terms == 1 && b->terms == 1 ? 1024 : 512,
        .a_unit_bytes = (size_t)a->terms * 2048, .b_unit_bytes = (size_t)b->terms * 2048,
        .pack_a = pack_a, .pack_b = pack_b, .store = store,
        .enter = gyro_tiles_enter, .leave = gyro_tiles_leave, .context = &product,
        .result = result->data, .result_stride = result->stride,
    };
    typedef void kernel(const void *, const void *, int64_t, void *);
    static kernel *const kernels[3][3] = {
        {gyro_tiles_bfloat16_1x1, gyro_tiles_bfloat16_1x2, gyro_tiles_bfloat16_1x3},
        {gyro_tiles_bfloat16_2x1, gyro_tiles_bfloat16_2x2, NULL},
        {gyro_tiles_bfloat16_3x1, NULL, gyro_tiles_bfloat16_3x3},
    };
    job.kernel = kernels[a->terms - 1][b->terms - 1];
    return gyro_run_panels(&job);
}
#endif
