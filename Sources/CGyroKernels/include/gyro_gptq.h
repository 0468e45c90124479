#pragma once
#include <stdint.h>

#include "gyro_quantize.h"

// GPTQ (2210.17323 §3.3): columns of a weight rounded one after the other, each one's error moved
// onto the columns that are still to come. Weights are transposed, [inputs, outputs], so that a
// column of the layer's matrix is a run of neighbors.

typedef struct {
  const gyro_group_quantizer *quantizer;
  /// Of scales in two levels; 1 otherwise.
  float tensor_scale;
  /// Outputs: the length of a column.
  int64_t rows;
  /// The upper Cholesky factor of the inverse Hessian, [inputs, inputs].
  const float *factor;
  int64_t inputs;
  /// The scales a column uses: those from `scales + strips[column] * rows` on, one for each output;
  /// `zero_points` likewise, NULL if symmetric.
  const int32_t *strips;
  const float *scales, *zero_points;
  /// [inputs, outputs]: columns come in updated so far and go out on the grid.
  float *weights;
  /// [columns of the block, outputs]: what was lost, over the factor's diagonal.
  float *errors;
  /// [outputs]: the sums of the squares of `errors` are added.
  float *losses;
} gyro_gptq_block;

/// Rounds the columns begin ..< end of a block of columns first ..< last (at most
/// GYRO_GPTQ_BLOCK of them; first <= begin, end <= last), and moves their errors onto the columns
/// end ..< last. Columns after the block are left to a matrix product with `errors`.
void gyro_gptq_columns(const gyro_gptq_block *block, int64_t first, int64_t begin, int64_t end,
                       int64_t last);

/// The most columns of a block.
enum { GYRO_GPTQ_BLOCK = 128 };

/// The plain loops that the kernel above must equal, bit for bit.
void gyro_reference_gptq_columns(const gyro_gptq_block *block, int64_t first, int64_t begin,
                                 int64_t end, int64_t last);

/// sums[i, j] += addend[i, j] for j <= i, in double precision; both [size, size].
void gyro_add_lower_triangle(double *sums, const float *addend, int64_t size);

/// A symmetric matrix whose lower triangle is given, with rows and columns in another order, and
/// that backwards, times `factor`: target[i, j] = factor · sums[order[size-1-i], order[size-1-j]].
/// `order` may be NULL. The diagonal gets `damping` on top.
void gyro_reversed_symmetric(const double *sums, const int64_t *order, int64_t size, double factor,
                             double damping, double *target);

/// target[i, j] = source[size-1-i, size-1-j] for j >= i, in single precision; 0 below the diagonal.
void gyro_reversed_upper(const double *source, int64_t size, float *target);
