#include "gyro_hadamard.h"

/// Entry [row, column] of a block, without the scale: one entry of each factor.
static double block_entry(const gyro_hadamard_plan *plan, int64_t row, int64_t column) {
  const int64_t power = plan->power, dense = plan->dense_order;
  double entry = __builtin_parityll((uint64_t)((row % power) & (column % power))) ? -1 : 1;
  row /= power;
  column /= power;
  if (dense > 1) entry *= (double)plan->dense[row % dense * dense + column % dense];
  row /= dense;
  column /= dense;
  const uint8_t *codes = plan->codes;
  for (int32_t core = 0; core < plan->core_count; core++)
    codes += (int64_t)plan->orders[core] * plan->orders[core] / 2;
  for (int32_t core = plan->core_count - 1; core >= 0; core--) {
    const int64_t order = plan->orders[core], input = row % order, output = column % order;
    codes -= order * order / 2;
    if (codes[output * order / 4 + input / 4] >> (3 + input % 4) & 1) entry = -entry;
    row /= order;
    column /= order;
  }
  return entry;
}

void gyro_reference_hadamard(const float *x, float *y, int64_t rows,
                             const gyro_hadamard_plan *plan, int transposed) {
  const int64_t size = gyro_hadamard_size(plan), block = size / plan->blocks;
  for (int64_t row = 0; row < rows; row++) {
    for (int64_t output = 0; output < size; output++) {
      const int64_t start = output / block * block, place = output % block;
      double sum = 0;
      for (int64_t input = 0; input < block; input++) {
        const double entry =
            transposed ? block_entry(plan, place, input) : block_entry(plan, input, place);
        const int64_t sign = start + (transposed ? place : input);
        const double factor = plan->factors ? (double)plan->factors[sign] : (double)plan->scale;
        sum += (double)x[row * size + start + input] * entry * factor;
      }
      y[row * size + output] = (float)sum;
    }
  }
}
