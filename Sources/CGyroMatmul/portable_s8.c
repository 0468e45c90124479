#include "internal.h"

// Dot products of codes in plain C: the engine of other processors, and the
// fastest form for a few rows, where B is read once and packing would not pay.

enum { ROWS_AT_ONCE = 32 };

__attribute__((always_inline)) static inline int32_t
dot(const int8_t *a, const int8_t *b, int64_t k) {
    int32_t sum = 0;
    for (int64_t i = 0; i < k; i++) sum += (int16_t)((int16_t)a[i] * (int16_t)b[i]);
    return sum;
}

GYRO_CLONES
static void dots(const int8_t *a, const int8_t *b, int64_t k, int64_t rows, int64_t columns,
                 int32_t *sums, int64_t stride) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) sums[i * stride + j] = dot(a + i * k, b + j * k, k);
}

struct product {
    int64_t m, n, k;
    const int8_t *a, *b;
    const struct integer_result *result;
};

static void compute(void *context, int64_t begin, int64_t end, int thread) {
    (void)thread;
    struct product *p = context;
    _Alignas(64) int32_t sums[ROWS_AT_ONCE * PANEL];
    for (int64_t column = begin; column < end; column += PANEL) {
        int64_t columns = smaller(PANEL, end - column);
        for (int64_t row = 0; row < p->m; row += ROWS_AT_ONCE) {
            int64_t rows = smaller(ROWS_AT_ONCE, p->m - row);
            dots(p->a + row * p->k, p->b + column * p->k, p->k, rows, columns, sums, PANEL);
            gyro_store_integers(p->result, sums, PANEL, row, column, rows, columns);
        }
    }
}

int gyro_portable_s8(int64_t m, int64_t n, int64_t k, const int8_t *a, const int8_t *b,
                     const struct integer_result *result) {
    struct product product = {m, n, k, a, b, result};
    gyro_parallel_for(n, larger(1, 131072 / larger(1, m * k)), compute, &product);
    return GYRO_MATMUL_OK;
}
