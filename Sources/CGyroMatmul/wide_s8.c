#include "internal.h"
#include "tiles.h"
#include "transpose.h"

#if defined(__x86_64__)

#define WIDE __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))

// Packing shared by the tile and the VNNI engine. One unit of k is 64 codes: a
// tile is 16 rows × 64 codes for A, and 16 groups of four k × 16 columns for B,
// which is the transpose in 32-bit words.

struct product {
    const int8_t *a, *b;
    int64_t m, n, k;
    const struct integer_result *result;
};

WIDE __attribute__((always_inline)) static inline void
pack(const int8_t *data, int64_t stride, int64_t extent, int transpose, int flip, int64_t first,
     int64_t panels, int64_t k_begin, int64_t k_end, char *destination, size_t panel_bytes) {
    __m512i tile[16];
    const __m512i sign = _mm512_set1_epi8((char)(flip ? 0x80 : 0));
    for (int64_t half = 0; half < 2 * panels; half++) {
        char *to = destination + (size_t)(half / 2) * panel_bytes + (half & 1) * 1024;
        int64_t i = first * PANEL + half * 16;
        for (int64_t k = k_begin; k < k_end; k += 64, to += 2048) {
            __mmask64 mask = k_end - k >= 64 ? ~0ull : (1ull << (k_end - k)) - 1;
            for (int row = 0; row < 16; row++) {
                __m512i codes = i + row < extent
                                    ? _mm512_maskz_loadu_epi8(mask, data + (i + row) * stride + k)
                                    : _mm512_setzero_si512();
                tile[row] = flip ? _mm512_xor_si512(codes, sign) : codes;
            }
            if (transpose) transpose_words(tile);
            for (int row = 0; row < 16; row++) _mm512_store_si512(to + row * 64, tile[row]);
        }
    }
}

WIDE static void pack_a(const struct panel_job *job, int64_t first, int64_t panels, int64_t k_begin,
                        int64_t k_end, void *to, size_t panel_bytes) {
    const struct product *p = job->context;
    pack(p->a, p->k, p->m, 0, 0, first, panels, k_begin, k_end, to, panel_bytes);
}

WIDE static void pack_flipped_a(const struct panel_job *job, int64_t first, int64_t panels,
                                int64_t k_begin, int64_t k_end, void *to, size_t panel_bytes) {
    const struct product *p = job->context;
    pack(p->a, p->k, p->m, 0, 1, first, panels, k_begin, k_end, to, panel_bytes);
}

WIDE static void pack_b(const struct panel_job *job, int64_t first, int64_t panels, int64_t k_begin,
                        int64_t k_end, void *to, size_t panel_bytes) {
    const struct product *p = job->context;
    pack(p->b, p->k, p->n, 1, 0, first, panels, k_begin, k_end, to, panel_bytes);
}

static void store(const struct panel_job *job, const void *square, int64_t row, int64_t column,
                  int64_t rows, int64_t columns, int first_pass, int last_pass) {
    (void)first_pass, (void)last_pass;
    const struct product *p = job->context;
    gyro_store_integers(p->result, square, PANEL, row, column, rows, columns);
}

// The instruction multiplies unsigned by signed bytes. A was shifted by 128 when
// it was packed; 128 times the column sums of B is taken off again.
VNNI static void vnni_kernel(const void *a_panel, const void *b_panel, int64_t units,
                             void *square) {
    enum { ROWS = 8 };
    int32_t *c = square;
    const __m512i offset = _mm512_set1_epi8((char)128);
    __m512i shift0 = _mm512_setzero_si512(), shift1 = shift0;
    for (int64_t unit = 0; unit < units; unit++) {
        const char *b = (const char *)b_panel + unit * 2048;
        for (int group = 0; group < 16; group++) {
            shift0 = _mm512_dpbusd_epi32(shift0, offset, _mm512_load_si512(b + group * 64));
            shift1 = _mm512_dpbusd_epi32(shift1, offset, _mm512_load_si512(b + 1024 + group * 64));
        }
    }
    for (int row = 0; row < PANEL; row += ROWS) {
        __m512i sum[ROWS][2];
        for (int i = 0; i < ROWS; i++) sum[i][0] = sum[i][1] = _mm512_setzero_si512();
        for (int64_t unit = 0; unit < units; unit++) {
            const char *b = (const char *)b_panel + unit * 2048;
            const char *a = (const char *)a_panel + unit * 2048 + row * 64;
            for (int group = 0; group < 16; group++) {
                __m512i b0 = _mm512_load_si512(b + group * 64);
                __m512i b1 = _mm512_load_si512(b + 1024 + group * 64);
                _Pragma("unroll") for (int i = 0; i < ROWS; i++) {
                    __m512i codes = _mm512_set1_epi32(((const int32_t *)(a + i * 64))[group]);
                    sum[i][0] = _mm512_dpbusd_epi32(sum[i][0], codes, b0);
                    sum[i][1] = _mm512_dpbusd_epi32(sum[i][1], codes, b1);
                }
            }
        }
        for (int i = 0; i < ROWS; i++) {
            _mm512_store_si512(c + (row + i) * PANEL, _mm512_sub_epi32(sum[i][0], shift0));
            _mm512_store_si512(c + (row + i) * PANEL + 16, _mm512_sub_epi32(sum[i][1], shift1));
        }
    }
}

static struct panel_job describe(const struct product *product) {
    return (struct panel_job){
        .m = product->m, .n = product->n, .k = product->k, .k_unit = 64,
        // Sums are integers until the end: one pass over k.
        .k_chunk = product->k + 1,
        .a_unit_bytes = 2048, .b_unit_bytes = 2048,
        .pack_a = pack_a, .pack_b = pack_b, .store = store, .context = product,
        .result = product->result->values ? (void *)product->result->values
                                          : (void *)product->result->sums,
        .result_stride = product->result->stride,
    };
}

int gyro_amx_s8(int64_t m, int64_t n, int64_t k, const int8_t *a, const int8_t *b,
                const struct integer_result *result) {
    struct product product = {a, b, m, n, k, result};
    struct panel_job job = describe(&product);
    job.kernel = gyro_tiles_s8;
    job.enter = gyro_tiles_enter;
    job.leave = gyro_tiles_leave;
    return gyro_run_panels(&job);
}

int gyro_vnni_s8(int64_t m, int64_t n, int64_t k, const int8_t *a, const int8_t *b,
                 const struct integer_result *result) {
    struct product product = {a, b, m, n, k, result};
    struct panel_job job = describe(&product);
    job.kernel = vnni_kernel;
    job.pack_a = pack_flipped_a;
    return gyro_run_panels(&job);
}
#endif
