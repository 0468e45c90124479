#pragma once
#include <stdint.h>

/// The small matrix products inside attention: C[m,n] (+)= A[m,k] · B[k,n].
///
/// n and the rows of B and C are padded to whole multiples of 16 floats; m and k are free. Every
/// element of C is one sum over k in ascending order, so the shape of a tile never shows in the
/// result.
///
/// Causal attention leaves out a corner of the product. Query i of a block may see key j of a block
/// when j ≤ i + reach; a reach of at least k or n leaves out nothing. Whole tiles are left out;
/// where the mask cuts through one, A must hold zeros, which are read for at most 8 keys after a
/// query's last visible one.
typedef struct {
  int64_t m, n, k;
  const float *a;
  int64_t a_stride;
  const float *b;
  int64_t b_stride;
  float *c;
  int64_t c_stride;
  int64_t reach;
} gyro_product;

enum { gyro_product_lanes = 16 };

/// The next multiple of 16.
static inline int64_t gyro_product_padded(int64_t count) {
  return (count + gyro_product_lanes - 1) / gyro_product_lanes * gyro_product_lanes;
}

/// C[query, key] = A[query, ·] · B[·, key]. Tiles without a visible key are not written.
void gyro_product_scores(const gyro_product *product);

/// C[query, ·] = or += Σ A[query, key] · B[key, ·] over visible keys. Queries that see no key of
/// the block are left alone.
void gyro_product_by_query(const gyro_product *product, int accumulate);

/// C[key, ·] += Σ A[query, key] · B[query, ·] over queries that see the key: A is read by columns,
/// k counts queries and m keys.
void gyro_product_by_key(const gyro_product *product);

/// C[column, row] = A[row, column] for m rows and n columns. Rows of C are zero from m to the next
/// multiple of 16.
void gyro_product_transpose(const gyro_product *product);
