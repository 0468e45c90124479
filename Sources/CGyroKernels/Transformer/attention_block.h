#pragma once
#include <stdint.h>
#include <string.h>

#include "attention_product.h"
#include "gyro_attention.h"
#include "gyro_parallel.h"

/// Queries and keys per block: scores and operands of one block product stay in the nearest caches.
enum { gyro_query_block = 64, gyro_key_block = 64 };

/// How many units of work a thread takes at a time, each `multiplications` long: a small problem is
/// not worth a second thread.
static inline int64_t gyro_attention_chunk(int64_t multiplications) {
  return 1 + 200000 / (multiplications + 1);
}

static inline int64_t gyro_smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/// The reach of query `query` into the keys from `key` on (see gyro_product).
static inline int64_t gyro_attention_reach(const gyro_attention *attention, int64_t query,
                                           int64_t key) {
  if (!attention->causal) return attention->queries + attention->keys;
  return query + attention->keys - attention->queries - key;
}

/// How many of `keys` a row may see.
static inline int64_t gyro_visible(int64_t row, int64_t reach, int64_t keys) {
  const int64_t seen = row + reach + 1;
  return seen < 0 ? 0 : seen < keys ? seen : keys;
}

/// Asks for a row some time before it is read: heads are too far apart for the processor to guess.
static inline __attribute__((always_inline)) void gyro_prefetch_row(const float *row,
                                                                    int64_t columns) {
  for (int64_t line = 0; line < columns; line += 16) __builtin_prefetch(row + line);
}

/// Rows side by side, each padded with zeros to a multiple of 16: heads lie apart in a power of two
/// that maps to few places of the nearest cache.
static inline void gyro_gather_rows(const float *source, int64_t stride, int64_t rows,
                                    int64_t columns, float *destination) {
  const int64_t padded = gyro_product_padded(columns);
  for (int64_t row = 0; row < rows; row++) {
    gyro_prefetch_row(source + (row + 8) * stride, columns);
    memcpy(destination + row * padded, source + row * stride, (size_t)columns * sizeof(float));
    if (padded > columns)
      memset(destination + row * padded + columns, 0, (size_t)(padded - columns) * sizeof(float));
  }
}

/// The way back.
static inline void gyro_scatter_rows(const float *source, int64_t rows, int64_t columns,
                                     float *destination, int64_t stride) {
  const int64_t padded = gyro_product_padded(columns);
  for (int64_t row = 0; row < rows; row++)
    memcpy(destination + row * stride, source + row * padded, (size_t)columns * sizeof(float));
}
