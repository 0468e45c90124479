#ifndef GYRO_MATMUL_H
#define GYRO_MATMUL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Matrix products for training and inference of quantized networks.
///
/// Everything is row-major; leading dimensions are counted in elements. Every
/// function returns `GYRO_MATMUL_OK` or an error code and may be called from
/// several threads. Dimensions of zero are allowed (`k == 0` means a sum of
/// nothing). Inputs and outputs must not overlap. Non-finite inputs give
/// non-finite outputs, but which of NaN and infinity is not specified.
///
/// Float32 products go to oneDNN (built with GYRO_ONEDNN), OpenBLAS
/// (GYRO_OPENBLAS) or the plain kernels here; everything else is done here, in
/// one pass: both factors are packed into panels of 32, squares of 32 × 32 are
/// computed and finished (scales, bias, alpha, beta) in the first-level cache.
/// Packing memory is kept per calling thread. Large matrices run up to a quarter
/// faster in huge pages (2 MB aligned, MADV_HUGEPAGE).
enum {
    GYRO_MATMUL_OK = 0,
    GYRO_MATMUL_INVALID = 1,
    GYRO_MATMUL_OUT_OF_MEMORY = 2,
    GYRO_MATMUL_LIBRARY = 3,
};

/// The instructions used by the engines of this target.
enum {
    GYRO_ENGINE_AUTOMATIC = -1,
    /// Plain C, compiled for several instruction sets.
    GYRO_ENGINE_PORTABLE = 0,
    /// 8-bit dot products in AVX-512 registers.
    GYRO_ENGINE_VNNI = 1,
    /// Tile registers (AMX) for int8 and bfloat16.
    GYRO_ENGINE_AMX = 2,
};

/// The engine in use: the best one of this processor, at most the limit.
int gyro_matmul_engine(void);
/// Limits the engine (for tests and comparisons); `GYRO_ENGINE_AUTOMATIC` lifts
/// the limit.
void gyro_matmul_limit_engine(int engine);
/// Name of the engine and of the float32 library, for reports.
const char *gyro_matmul_description(void);

// MARK: float32

/// C[m,n] = alpha · op(A) · op(B) + beta · C, beta 0 or 1 (any value works).
///
/// op(A) is [m,k]: A is stored [m,k] (lda ≥ k), or [k,m] when `trans_a` is set.
/// op(B) is [k,n]: B is stored [k,n] (ldb ≥ n), or [n,k] when `trans_b` is set.
/// Float32 products and sums (fused multiply-add); error about
/// sqrt(k) · 2^-24 · (|A|·|B|). C is not read when beta is 0.
int gyro_matmul_f32(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, float alpha,
                    const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                    int64_t ldc);

/// The same for `batch` independent products; strides in elements from one
/// matrix to the next (0 shares a matrix; stride_c must not be 0).
int gyro_matmul_f32_batched(int64_t batch, int64_t stride_a, int64_t stride_b, int64_t stride_c,
                            int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, float alpha,
                            const float *a, int64_t lda, const float *b, int64_t ldb, float beta,
                            float *c, int64_t ldc);

// MARK: float32 by bfloat16 pieces

/// The same product from bfloat16 pieces: every value is the sum of `pieces` (2
/// or 3) bfloat16 numbers, each rounded to nearest even, and the largest of the
/// products of pieces are accumulated in float32.
///
/// 2 pieces, hi·hi + hi·lo + lo·hi: relative error of the inputs ≤ 2^-17 each;
/// the result is within 2^-15 (3e-5) · (|A|·|B|) of the exact product in the worst
/// case (lo·lo, left out, is up to 2^-16), typically 1e-6.
/// 3 pieces, six products: the pieces hold all 24 bits of a float32, and what is
/// left out lies below 2^-24 of a product. The error is that of a float32 product,
/// about sqrt(3k) · 2^-24 · (|A|·|B|).
///
/// Values below 2^-126 count as zero; values within half a bfloat16 step of the
/// largest float32 become infinite. The result does not depend on the number of
/// threads. Falls back to `gyro_matmul_f32` where that is faster: no AMX, or few
/// rows.
int gyro_matmul_f32_split(int pieces, int trans_a, int trans_b, int64_t m, int64_t n, int64_t k,
                          float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
                          float beta, float *c, int64_t ldc);

/// 1 where the split product is faster than the float32 product.
int gyro_matmul_split_is_fast(void);

// MARK: int8 codes × int8 codes

/// C[m,n] = float((Σ A[i,·]·B[j,·]) · (row_scale[i] · column_scale[j]) + bias[j])
/// for codes A [m,k] and B [n,k] (y = x·Wᵀ), rows without gaps.
///
/// The integer sum is exact (k ≤ 131072). The product of the scales (exact) and
/// the rest are evaluated in double precision, then rounded once to float32:
/// the dequantized product to half a unit in the last place (+ 2^-28 of it).
/// Scales that are NULL count as 1, a NULL bias as 0. The result is the same
/// bits on every engine and for every number of threads.
int gyro_matmul_s8(int64_t m, int64_t n, int64_t k, const int8_t *a, const float *row_scale,
                   const int8_t *b, const float *column_scale, const float *bias, float *c);

/// The integer sums themselves.
int gyro_matmul_s8_s32(int64_t m, int64_t n, int64_t k, const int8_t *a, const int8_t *b,
                       int32_t *c);

// MARK: mixed factors

/// What the elements of a factor are.
enum {
    /// Float32, cut into 2 or 3 bfloat16 pieces.
    GYRO_FACTOR_FLOAT32 = 0,
    /// bfloat16 bit patterns: numbers of 8-bit floats and the like, as they are.
    GYRO_FACTOR_BFLOAT16 = 1,
    /// Signed bytes, all exact in bfloat16.
    GYRO_FACTOR_INT8 = 2,
};

/// A stored matrix: value(row, column) = data[row * stride + column] · scale[row].
typedef struct {
    int32_t kind;
    const void *data;
    int64_t stride;
    /// One per stored row; NULL counts as 1. Float32 factors have none.
    const float *scale;
} gyro_matmul_factor;

/// C[m,n] = op(A) · op(B), rows of C without gaps; `trans_a` and `trans_b` as for
/// `gyro_matmul_f32`. One product of bfloat16 tiles where neither factor is cut, `pieces` (2 or 3)
/// where one is; products are exact, sums are float32.
///
/// Scales along a side of C (A as it is, B transposed: y = x·Wᵀ) stay out of the sums: the finished
/// sum is multiplied by row scale · column scale in double precision and rounded once. Scales along
/// k go into a Float32 factor before it is cut (dx = (dy ⊙ scale of W) · W, dW = (dy ⊙ scale of x)ᵀ
/// · x), which rounds once to float32; when the other factor is not Float32, into their own factor,
/// which then counts as Float32.
///
/// Error: that of a float32 product, about sqrt(pieces · k) · 2^-24 · (|A|·|B|); with 2 pieces
/// 2^-17 on top where one factor is cut, 2^-15 where both are. Sums of products that are whole
/// numbers below 2^24 are exact. bfloat16 numbers and pieces below 2^-126 count as zero. The result does not depend on the
/// number of threads. Without AMX the factors are converted to float32 and multiplied as such.
int gyro_matmul_mixed(int pieces, int trans_a, int trans_b, int64_t m, int64_t n, int64_t k,
                      const gyro_matmul_factor *a, const gyro_matmul_factor *b, float *c);

/// C[n,n] = Xᵀ · X for X [k,n], of which only the lower triangle is computed, the diagonal included:
/// the same bits there as `gyro_matmul_mixed` gives (`gyro_matmul_f32_split` for a Float32 factor),
/// at about half the work. What C holds above the diagonal afterwards is not specified. `pieces` is 2
/// or 3, or 0 for float32 products of a Float32 factor.
int gyro_matmul_lower_gram(int pieces, int64_t n, int64_t k, const gyro_matmul_factor *x, float *c);

// MARK: plain references (single loops, double accumulation, slow)

void gyro_reference_matmul_f32(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k,
                               float alpha, const float *a, int64_t lda, const float *b,
                               int64_t ldb, float beta, float *c, int64_t ldc);
void gyro_reference_matmul_f32_batched(int64_t batch, int64_t stride_a, int64_t stride_b,
                                       int64_t stride_c, int trans_a, int trans_b, int64_t m,
                                       int64_t n, int64_t k, float alpha, const float *a,
                                       int64_t lda, const float *b, int64_t ldb, float beta,
                                       float *c, int64_t ldc);
void gyro_reference_matmul_s8(int64_t m, int64_t n, int64_t k, const int8_t *a,
                              const float *row_scale, const int8_t *b, const float *column_scale,
                              const float *bias, float *c);
void gyro_reference_matmul_s8_s32(int64_t m, int64_t n, int64_t k, const int8_t *a,
                                  const int8_t *b, int32_t *c);
/// The products of the same pieces, summed in double precision; of two Float32 factors as well.
void gyro_reference_matmul_mixed(int pieces, int trans_a, int trans_b, int64_t m, int64_t n,
                                 int64_t k, const gyro_matmul_factor *a,
                                 const gyro_matmul_factor *b, float *c);
/// Rounds to the nearest bfloat16 (ties to even), as a float32.
float gyro_reference_round_bfloat16(float value);

#ifdef __cplusplus
}
#endif
#endif
