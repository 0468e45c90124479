#include "row_products.h"

// Relaxed on purpose, see the header.
#pragma clang fp contract(fast)

#define INLINE static inline __attribute__((always_inline))

typedef float vector __attribute__((vector_size(64)));
typedef float loose_vector __attribute__((vector_size(64), aligned(4)));

/// `rows` × `vectors` results in registers.
INLINE void multiply(const int rows, const int vectors, const float *weights,
                     const int64_t *shifts, int64_t count, const float *base, const float *start,
                     float *results, int64_t pitch) {
  vector sum[8][3];
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) sum[r][v] = (vector){0} + start[r];
  for (int64_t k = 0; k < count; k++, weights += row_product_rows) {
    const float *row = base + shifts[k];
    vector x[3];
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) x[v] = *(const loose_vector *)(row + 16 * v);
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
      for (int v = 0; v < vectors; v++) sum[r][v] = sum[r][v] + x[v] * weights[r];
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++)
      *(loose_vector *)(results + r * pitch + 16 * v) = sum[r][v];
}

/// `rows` × `taps` sums, each in 16 lanes until the end.
INLINE void correlate(const int rows, const int taps, const float *source, int64_t pitch,
                      const float *base, const int64_t *shifts, int64_t extent,
                      float sums[correlation_rows][correlation_taps]) {
  vector sum[4][6];
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (int t = 0; t < taps; t++) sum[r][t] = (vector){0};
  for (int64_t i = 0; i < extent; i += 16) {
    vector a[4];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) a[r] = *(const loose_vector *)(source + r * pitch + i);
#pragma clang loop unroll(full)
    for (int t = 0; t < taps; t++) {
      vector b = *(const loose_vector *)(base + shifts[t] + i);
#pragma clang loop unroll(full)
      for (int r = 0; r < rows; r++) sum[r][t] = sum[r][t] + a[r] * b;
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (int t = 0; t < taps; t++) {
      vector s = sum[r][t];
      s += __builtin_shufflevector(s, s, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
      s += __builtin_shufflevector(s, s, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
      s += __builtin_shufflevector(s, s, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
      sums[r][t] = s[0] + s[1];
    }
}

#if defined(__x86_64__)
// Without the width the compiler would cut the vectors in two.
#define WIDE __attribute__((target("arch=x86-64-v4"), min_vector_width(512)))
#define NARROW __attribute__((target_clones("default", "arch=x86-64-v3")))

WIDE static void multiply_wide(const float *weights, const int64_t *shifts, int64_t count,
                               const float *base, const float *start, int vectors,
                               float *results, int64_t pitch) {
  if (vectors == 3) multiply(8, 3, weights, shifts, count, base, start, results, pitch);
  if (vectors == 2) multiply(8, 2, weights, shifts, count, base, start, results, pitch);
  if (vectors == 1) multiply(8, 1, weights, shifts, count, base, start, results, pitch);
}

WIDE static void correlate_wide(const float *rows, int64_t pitch, const float *base,
                                const int64_t *shifts, int64_t extent,
                                float sums[correlation_rows][correlation_taps]) {
  correlate(correlation_rows, correlation_taps, rows, pitch, base, shifts, extent, sums);
}

static int is_wide(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#else
#define NARROW
#endif

// Fewer registers, or shorter ones: smaller squares of results.

NARROW static void multiply_narrow(const float *weights, const int64_t *shifts, int64_t count,
                                   const float *base, const float *start, int vectors,
                                   float *results, int64_t pitch) {
  for (int v = 0; v < vectors; v++)
    for (int r = 0; r < row_product_rows; r += 4)
      multiply(4, 1, weights + r, shifts, count, base + 16 * v, start + r,
               results + r * pitch + 16 * v, pitch);
}

NARROW static void correlate_narrow(const float *rows, int64_t pitch, const float *base,
                                    const int64_t *shifts, int64_t extent,
                                    float sums[correlation_rows][correlation_taps]) {
  for (int r = 0; r < correlation_rows; r += 2)
    for (int t = 0; t < correlation_taps; t += 2) {
      float part[correlation_rows][correlation_taps];
      correlate(2, 2, rows + r * pitch, pitch, base, shifts + t, extent, part);
      for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++) sums[r + i][t + j] = part[i][j];
    }
}

void gyro_multiply_rows(const float *weights, const int64_t *shifts, int64_t count,
                        const float *base, const float *start, int vectors, float *results,
                        int64_t pitch) {
#if defined(__x86_64__)
  if (is_wide()) {
    multiply_wide(weights, shifts, count, base, start, vectors, results, pitch);
    return;
  }
#endif
  multiply_narrow(weights, shifts, count, base, start, vectors, results, pitch);
}

void gyro_correlate_rows(const float *rows, int64_t pitch, const float *base,
                         const int64_t *shifts, int64_t extent,
                         float sums[correlation_rows][correlation_taps]) {
#if defined(__x86_64__)
  if (is_wide()) {
    correlate_wide(rows, pitch, base, shifts, extent, sums);
    return;
  }
#endif
  correlate_narrow(rows, pitch, base, shifts, extent, sums);
}

#if defined(__x86_64__)
#define ANY __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define ANY
#endif

ANY void gyro_combine_rows(const float *weights, const int64_t *shifts, int64_t count,
                           const float *base, float start, int64_t extent, float *results) {
  int64_t i = 0;
  for (; i + 32 <= extent; i += 32) {
    vector a = (vector){0} + start, b = a;
    for (int64_t k = 0; k < count; k++) {
      const float *row = base + shifts[k] + i;
      a = a + *(const loose_vector *)row * weights[k];
      b = b + *(const loose_vector *)(row + 16) * weights[k];
    }
    *(loose_vector *)(results + i) = a;
    *(loose_vector *)(results + i + 16) = b;
  }
  for (; i < extent; i += 16) {
    vector a = (vector){0} + start;
    for (int64_t k = 0; k < count; k++)
      a = a + *(const loose_vector *)(base + shifts[k] + i) * weights[k];
    *(loose_vector *)(results + i) = a;
  }
}

ANY void gyro_correlate_row(const float *row, const float *base, const int64_t *shifts,
                            int64_t count, int64_t extent, float *sums) {
  int64_t k = 0;
  float part[correlation_rows][correlation_taps];
  for (; k + 3 <= count; k += 3) {
    correlate(1, 3, row, 0, base, shifts + k, extent, part);
    for (int t = 0; t < 3; t++) sums[k + t] = part[0][t];
  }
  for (; k < count; k++) {
    correlate(1, 1, row, 0, base, shifts + k, extent, part);
    sums[k] = part[0][0];
  }
}
