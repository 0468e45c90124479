#define _GNU_SOURCE
#include "internal.h"

#ifdef GYRO_ONEDNN
#include <dnnl.h>

extern int omp_get_max_threads(void);
extern void omp_set_num_threads(int);
#elif defined(GYRO_OPENBLAS)
#include <pthread.h>

extern void openblas_set_num_threads(int);
extern void cblas_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                        const float *a, int lda, const float *b, int ldb, float beta, float *c,
                        int ldc);

// The library's own threads would compete with the pool. Debian's build chooses
// kernels when it is loaded, before any code of this process: on a processor
// with AVX-512 it may need OPENBLAS_CORETYPE=SkylakeX in the environment.
static void use_one_thread(void) { openblas_set_num_threads(1); }

struct part {
    int trans_a, trans_b;
    int64_t m, n, k;
    float alpha;
    const float *a;
    int64_t lda;
    const float *b;
    int64_t ldb;
    float beta;
    float *c;
    int64_t ldc;
};

/// A range of rows of the result or, when there are more columns, of columns.
static void multiply_part(void *context, int64_t begin, int64_t end, int thread) {
    (void)thread;
    enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };
    const struct part *p = context;
    int by_rows = p->m >= p->n;
    int64_t row = by_rows ? begin : 0, column = by_rows ? 0 : begin;
    int64_t rows = by_rows ? end - begin : p->m, columns = by_rows ? p->n : end - begin;
    cblas_sgemm(ROW_MAJOR, p->trans_a ? TRANSPOSED : PLAIN, p->trans_b ? TRANSPOSED : PLAIN,
                (int)rows, (int)columns, (int)p->k, p->alpha,
                p->a + (p->trans_a ? row : row * p->lda), (int)p->lda,
                p->b + (p->trans_b ? column * p->ldb : column), (int)p->ldb, p->beta,
                p->c + row * p->ldc + column, (int)p->ldc);
}
#endif

/// One product on the current thread or, outside a parallel region, on all.
static int multiply(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, float alpha,
                    const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                    int64_t ldc) {
#ifdef GYRO_ONEDNN
    // The library takes its thread count from the runtime's setting for the
    // calling thread.
    if (!gyro_in_parallel() && omp_get_max_threads() != gyro_thread_count())
        omp_set_num_threads(gyro_thread_count());
    dnnl_status_t status = dnnl_sgemm(trans_a ? 'T' : 'N', trans_b ? 'T' : 'N', m, n, k, alpha, a,
                                      lda, b, ldb, beta, c, ldc);
    return status == dnnl_success ? GYRO_MATMUL_OK
           : status == dnnl_out_of_memory ? GYRO_MATMUL_OUT_OF_MEMORY : GYRO_MATMUL_LIBRARY;
#elif defined(GYRO_OPENBLAS)
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, use_one_thread);
    struct part part = {trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc};
    int64_t extent = larger(m, n), other = smaller(m, n);
    gyro_parallel_for(extent, larger(16, 65536 / larger(1, other * k)), multiply_part, &part);
    return GYRO_MATMUL_OK;
#else
    struct float_result result = {.data = c, .stride = ldc, .alpha = alpha, .beta = beta};
    return gyro_portable_f32(trans_a, trans_b, m, n, k, a, lda, b, ldb, &result);
#endif
}

static int valid(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, int64_t lda,
                 int64_t ldb, int64_t ldc) {
    return m >= 0 && n >= 0 && k >= 0 && lda >= larger(1, trans_a ? m : k) &&
           ldb >= larger(1, trans_b ? k : n) && ldc >= larger(1, n);
}

static void scale_only(int64_t m, int64_t n, float beta, float *c, int64_t ldc) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) c[i * ldc + j] = beta == 0 ? 0 : beta * c[i * ldc + j];
}

int gyro_matmul_f32(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, float alpha,
                    const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                    int64_t ldc) {
    if (m == 0 || n == 0) return GYRO_MATMUL_OK;
    if (!valid(trans_a, trans_b, m, n, k, lda, ldb, ldc)) return GYRO_MATMUL_INVALID;
    if (k == 0) {
        scale_only(m, n, beta, c, ldc);
        return GYRO_MATMUL_OK;
    }
    return multiply(trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

struct batch {
    int64_t stride_a, stride_b, stride_c;
    int trans_a, trans_b;
    int64_t m, n, k;
    float alpha;
    const float *a;
    int64_t lda;
    const float *b;
    int64_t ldb;
    float beta;
    float *c;
    int64_t ldc;
    int status;
};

static void multiply_range(void *context, int64_t begin, int64_t end, int thread) {
    (void)thread;
    struct batch *t = context;
    for (int64_t i = begin; i < end; i++) {
        int status = gyro_matmul_f32(t->trans_a, t->trans_b, t->m, t->n, t->k, t->alpha,
                                     t->a + i * t->stride_a, t->lda, t->b + i * t->stride_b, t->ldb,
                                     t->beta, t->c + i * t->stride_c, t->ldc);
        if (status != GYRO_MATMUL_OK) __atomic_store_n(&t->status, status, __ATOMIC_RELAXED);
    }
}

int gyro_matmul_f32_batched(int64_t batch, int64_t stride_a, int64_t stride_b, int64_t stride_c,
                            int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, float alpha,
                            const float *a, int64_t lda, const float *b, int64_t ldb, float beta,
                            float *c, int64_t ldc) {
    if (batch <= 0 || m == 0 || n == 0) return batch < 0 ? GYRO_MATMUL_INVALID : GYRO_MATMUL_OK;
    if (!valid(trans_a, trans_b, m, n, k, lda, ldb, ldc)) return GYRO_MATMUL_INVALID;
    struct batch task = {stride_a, stride_b, stride_c, trans_a, trans_b, m, n, k, alpha, a, lda, b,
                         ldb, beta, c, ldc, GYRO_MATMUL_OK};
    // Few large products: every product uses all threads. Many: one thread each.
    if (batch < gyro_thread_count() && !gyro_in_parallel())
        multiply_range(&task, 0, batch, 0);
    else
        gyro_parallel_for_dynamic(batch, larger(1, 65536 / larger(1, m * n * k)), multiply_range, &task);
    return task.status;
}
