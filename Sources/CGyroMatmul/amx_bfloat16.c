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

INLINE __m512 load_values(const struct bfloat16_source *source, int is_codes, int64_t index,
                          __mmask16 mask) {
    if (is_codes) {
        __m128i codes = _mm_maskz_loadu_epi8(mask, (const int8_t *)source->data + index);
        return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes));
    }
    return _mm512_maskz_loadu_ps(mask, (const float *)source->data + index);
}

INLINE __m512 widen(__m256i halves) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

INLINE __mmask16 first_lanes(int64_t count) {
    return count >= 16 ? 0xffff : count <= 0 ? 0 : (__mmask16)((1u << count) - 1);
}

/// 16 rows of 32 values with k contiguous: the form of A.
INLINE void read_rows(const struct bfloat16_source *source, int is_codes, int terms, int64_t i,
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
        __m512 x = load_values(source, is_codes, index, inside ? low : 0);
        __m512 y = load_values(source, is_codes, index + 16, inside ? high : 0);
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
INLINE void read_pairs(const struct bfloat16_source *source, int is_codes, int terms, int64_t i,
                       int64_t k, int64_t k_count, __m512i tile[3][16]) {
    __mmask16 lanes = first_lanes(source->extent - i);
    for (int pair = 0; pair < 16; pair++) {
        int64_t even = 2 * pair, odd = even + 1;
        int64_t index = (k + even) * source->stride + i;
        __m512 x = load_values(source, is_codes, index, even < k_count ? lanes : 0);
        __m512 y = load_values(source, is_codes, index + source->stride, odd < k_count ? lanes : 0);
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

INLINE void pack(const struct bfloat16_source *source, int is_codes, int terms, int is_a,
                 int64_t first, int64_t panels, int64_t k_begin, int64_t k_end, char *destination,
                 size_t panel_bytes) {
    __m512i tile[3][16];
    // k outside: with k strided, the panels share the lines of a row.
    for (int64_t k = k_begin; k < k_end; k += 32) {
        for (int64_t half = 0; half < 2 * panels; half++) {
            int64_t i = first * PANEL + half * 16;
            char *to = destination + (size_t)(half / 2) * panel_bytes +
                       (size_t)((k - k_begin) / 32) * (size_t)terms * 2048 + (half & 1) * 1024;
            if (source->k_is_contiguous)
                read_rows(source, is_codes, terms, i, k, k_end - k, tile);
            else
                read_pairs(source, is_codes, terms, i, k, k_end - k, tile);
            for (int term = 0; term < terms; term++) {
                if (source->k_is_contiguous != is_a) transpose_words(tile[term]);
                for (int row = 0; row < 16; row++)
                    _mm512_store_si512(to + term * 2048 + row * 64, tile[term][row]);
            }
        }
    }
}

#define PACK(is_codes, terms, is_a) \
    pack(source, is_codes, terms, is_a, first, panels, k_begin, k_end, to, panel_bytes)

struct product {
    const struct bfloat16_source *a, *b;
    const struct float_result *result;
};

WIDE static void pack_a(const struct panel_job *job, int64_t first, int64_t panels, int64_t k_begin,
                        int64_t k_end, void *to, size_t panel_bytes) {
    const struct bfloat16_source *source = ((const struct product *)job->context)->a;
    if (source->terms == 1) PACK(0, 1, 1);
    else if (source->terms == 2) PACK(0, 2, 1);
    else PACK(0, 3, 1);
}

WIDE static void pack_b(const struct panel_job *job, int64_t first, int64_t panels, int64_t k_begin,
                        int64_t k_end, void *to, size_t panel_bytes) {
    const struct bfloat16_source *source = ((const struct product *)job->context)->b;
    if (source->is_codes) PACK(1, 1, 0);
    else if (source->terms == 1) PACK(0, 1, 0);
    else if (source->terms == 2) PACK(0, 2, 0);
    else PACK(0, 3, 0);
}

WIDE static void store(const struct panel_job *job, const void *square, int64_t row,
                       int64_t column, int64_t rows, int64_t columns, int first_pass) {
    const struct float_result *result = ((const struct product *)job->context)->result;
    gyro_store_floats(result, square, row, column, rows, columns, first_pass);
}

int gyro_amx_bfloat16(int64_t m, int64_t n, int64_t k, const struct bfloat16_source *a,
                      const struct bfloat16_source *b, const struct float_result *result) {
    struct product product = {a, b, result};
    // Longer stretches of k make panels that no longer stay in the caches, which
    // costs more than adding to the result again.
    struct panel_job job = {
        .m = m, .n = n, .k = k, .k_unit = 32, .k_chunk = 512,
        .a_unit_bytes = (size_t)a->terms * 2048, .b_unit_bytes = (size_t)b->terms * 2048,
        .pack_a = pack_a, .pack_b = pack_b, .store = store,
        .enter = gyro_tiles_enter, .leave = gyro_tiles_leave, .context = &product,
        .result = result->data, .result_stride = result->stride,
    };
    if (b->terms == 3) job.kernel = gyro_tiles_bfloat16_3x3;
    else if (b->terms == 2) job.kernel = gyro_tiles_bfloat16_2x2;
    else if (a->terms == 1) job.kernel = gyro_tiles_bfloat16_1x1;
    else if (a->terms == 2) job.kernel = gyro_tiles_bfloat16_2x1;
    else job.kernel = gyro_tiles_bfloat16_3x1;
    return gyro_run_panels(&job);
}
#endif
