#pragma once
#include <stdint.h>

/// An orthogonal matrix M = D · (I ⊗ C₁ ⊗ … ⊗ Cₖ ⊗ T ⊗ S) · scale, as its factors: signs D, equal
/// blocks on the diagonal, dense cores Cᵢ of ±1, one dense symmetric T of any numbers, and
/// Sylvester's matrix S. Rows are multiplied from the left, y = x · M.
typedef struct {
  /// Blocks on the diagonal.
  int64_t blocks;
  /// Order of S, a power of two.
  int64_t power;
  /// The orders of the cores, multiples of four.
  const int32_t *orders;
  int32_t core_count;
  /// Order of T; 1 for none.
  int32_t dense_order;
  /// For each core: its codes, then those of its transpose. The code of output o and group g, at
  /// [o · order / 4 + g], is eight times a number whose bit j says that input 4 g + j enters
  /// negated.
  const uint8_t *codes;
  /// T, row-major.
  const float *dense;
  /// D times scale for each place of a row, or NULL for no signs.
  const float *factors;
  float scale;
} gyro_hadamard_plan;

/// The length of a row.
int64_t gyro_hadamard_size(const gyro_hadamard_plan *plan);

/// y = x · M, or x · Mᵀ, for each row. `y` may be `x`, and must not overlap it otherwise.
void gyro_hadamard(const float *x, float *y, int64_t rows, const gyro_hadamard_plan *plan,
                   int transposed);

/// The same from the definition, summed in double. `y` must not overlap `x`.
void gyro_reference_hadamard(const float *x, float *y, int64_t rows,
                             const gyro_hadamard_plan *plan, int transposed);
