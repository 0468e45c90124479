#include "attention_product.h"

// Relaxed arithmetic: a product and its sum are one rounding where the processor can fuse them, as
// in the matrix library, so the last bits of attention depend on the instruction set (never on the
// number of threads). Twice the speed is worth it here; everything around the products stays exact.
#pragma STDC FP_CONTRACT ON

#define INLINE static inline __attribute__((always_inline))
#if defined(__x86_64__)
#define WIDE __attribute__((target("arch=x86-64-v4"), min_vector_width(512)))
#define NARROW __attribute__((target_clones("default", "arch=x86-64-v3")))
#else
#define NARROW
#endif

typedef float Lanes __attribute__((vector_size(64), aligned(4), may_alias));

enum { lanes = gyro_product_lanes };
typedef enum { scores, by_query, by_key } Kind;

/// One tile of C: rows × (16 · vectors), held in registers while k runs from begin to end.
INLINE void tile(const gyro_product *p, const Kind kind, const int accumulate, const int rows,
                 const int vectors, int64_t row, int64_t column, int64_t begin, int64_t end) {
  const int64_t down = kind == by_key ? 1 : p->a_stride, along = kind == by_key ? p->a_stride : 1;
  const float *a = p->a + row * down + begin * along;
  const float *b = p->b + begin * p->b_stride + column;
  float *c = p->c + row * p->c_stride + column;
  Lanes sum[8][4];
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++)
      sum[r][v] = accumulate ? *(const Lanes *)(c + r * p->c_stride + v * lanes) : (Lanes){0};
  const int64_t b_stride = p->b_stride;
  for (int64_t step = begin; step < end; step++) {
    Lanes right[4];
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) right[v] = *(const Lanes *)(b + v * lanes);
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
      const float left = a[r * down];
#pragma clang loop unroll(full)
      for (int v = 0; v < vectors; v++) sum[r][v] += left * right[v];
    }
    a += along;
    b += b_stride;
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) *(Lanes *)(c + r * p->c_stride + v * lanes) = sum[r][v];
}

/// A tile less what the mask leaves out.
INLINE void masked_tile(const gyro_product *p, const Kind kind, const int accumulate,
                        const int rows, const int vectors, int64_t row, int64_t column) {
  int64_t begin = 0, end = p->k, visible = row + rows + p->reach;
  if (kind == scores && column >= visible) return;
  if (kind == by_query && end > visible) end = visible;
  if (kind == by_key && row > p->reach) begin = row - p->reach;
  if (kind != scores && begin >= end) return;
  tile(p, kind, accumulate, rows, vectors, row, column, begin, end);
}

/// All rows of C for one panel of columns; the last rows in tiles of half the height and less.
INLINE void panel(const gyro_product *p, const Kind kind, const int accumulate, const int height,
                  const int vectors, int64_t column) {
  int64_t row = 0;
  for (; row + height <= p->m; row += height)
    masked_tile(p, kind, accumulate, height, vectors, row, column);
  const int64_t rest = p->m - row;
  if (height > 4 && (rest & 4)) {
    masked_tile(p, kind, accumulate, 4, vectors, row, column);
    row += 4;
  }
  if (rest & 2) {
    masked_tile(p, kind, accumulate, 2, vectors, row, column);
    row += 2;
  }
  if (rest & 1) masked_tile(p, kind, accumulate, 1, vectors, row, column);
}

INLINE void multiply(const gyro_product *p, const Kind kind, const int accumulate,
                     const int height, const int vectors) {
  int64_t column = 0;
  for (; column + vectors * lanes <= p->n; column += vectors * lanes)
    panel(p, kind, accumulate, height, vectors, column);
  for (; column < p->n; column += lanes) panel(p, kind, accumulate, height, 1, column);
}

NARROW static void narrow_scores(const gyro_product *p) { multiply(p, scores, 0, 4, 1); }
NARROW static void narrow_first(const gyro_product *p) { multiply(p, by_query, 0, 4, 1); }
NARROW static void narrow_next(const gyro_product *p) { multiply(p, by_query, 1, 4, 1); }
NARROW static void narrow_by_key(const gyro_product *p) { multiply(p, by_key, 1, 4, 1); }

#if defined(__x86_64__)
// 32 registers of 16 lanes hold a tile four times as large.
enum { tall = 8, wide = 2 };
WIDE static void wide_scores(const gyro_product *p) { multiply(p, scores, 0, tall, wide); }
WIDE static void wide_first(const gyro_product *p) { multiply(p, by_query, 0, tall, wide); }
WIDE static void wide_next(const gyro_product *p) { multiply(p, by_query, 1, tall, wide); }
WIDE static void wide_by_key(const gyro_product *p) { multiply(p, by_key, 1, tall, wide); }
#define DISPATCH(name, product) \
  __builtin_cpu_supports("x86-64-v4") ? wide_##name(product) : narrow_##name(product)
#else
#define DISPATCH(name, product) narrow_##name(product)
#endif

void gyro_product_scores(const gyro_product *product) { DISPATCH(scores, product); }

void gyro_product_by_query(const gyro_product *product, int accumulate) {
  if (accumulate) {
    DISPATCH(next, product);
  } else {
    DISPATCH(first, product);
  }
}

void gyro_product_by_key(const gyro_product *product) { DISPATCH(by_key, product); }

/// Sixteen rows of sixteen, turned around: four rounds that interleave row i with row i + 8.
INLINE void transpose_square(const float *source, int64_t source_stride, int64_t rows,
                             float *destination, int64_t stride) {
  Lanes r[lanes], t[lanes];
#pragma clang loop unroll(full)
  for (int i = 0; i < lanes; i++)
    r[i] = i < rows ? *(const Lanes *)(source + i * source_stride) : (Lanes){0};
#pragma clang loop unroll(full)
  for (int round = 0; round < 4; round++) {
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++) {
      t[2 * i] = __builtin_shufflevector(r[i], r[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21,
                                         6, 22, 7, 23);
      t[2 * i + 1] = __builtin_shufflevector(r[i], r[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28,
                                             13, 29, 14, 30, 15, 31);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < lanes; i++) r[i] = t[i];
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < lanes; i++) *(Lanes *)(destination + i * stride) = r[i];
}

INLINE void transpose(const gyro_product *p) {
  for (int64_t row = 0; row < p->m; row += lanes) {
    const float *from = p->a + row * p->a_stride;
    float *to = p->c + row;
    const int64_t count = p->m - row < lanes ? p->m - row : lanes;
    for (int64_t i = 0; i < lanes; i++)  // the next rows, which lie too far apart to be guessed
      for (int64_t line = 0; line < p->n; line += lanes)
        __builtin_prefetch(from + (lanes + i) * p->a_stride + line);
    int64_t column = 0;
    if (count == lanes)
      for (; column + lanes <= p->n; column += lanes)
        transpose_square(from + column, p->a_stride, lanes, to + column * p->c_stride, p->c_stride);
    else
      for (; column + lanes <= p->n; column += lanes)
        transpose_square(from + column, p->a_stride, count, to + column * p->c_stride, p->c_stride);
    for (; column < p->n; column++)
      for (int64_t i = 0; i < lanes; i++)
        to[column * p->c_stride + i] = i < count ? from[i * p->a_stride + column] : 0;
  }
}

NARROW static void narrow_transpose(const gyro_product *p) { transpose(p); }
#if defined(__x86_64__)
WIDE static void wide_transpose(const gyro_product *p) { transpose(p); }
#endif

void gyro_product_transpose(const gyro_product *product) { DISPATCH(transpose, product); }
