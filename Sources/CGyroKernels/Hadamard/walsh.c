#include "gyro_clones.h"
#include "gyro_lanes.h"
#include "hadamard.h"

// The Walsh–Hadamard transform. A run of 256 floats fits sixteen registers of sixteen lanes: four
// levels between registers, then four between lanes, for one load and one store. Longer runs add
// up to four levels for each further trip, so a row of 4096 makes two trips through the nearest
// cache. Every butterfly is one addition and one subtraction of the same two numbers in every clone.

enum { chunk_levels = 8, block_length = 4096 };

/// Butterflies between `count` registers.
GYRO_INLINE void between_registers(gyro_lanes *v, int count) {
#pragma clang loop unroll(full)
  for (int step = 1; step < count; step *= 2) {
#pragma clang loop unroll(full)
    for (int i = 0; i < count; i++) {
      if (i & step) continue;
      const gyro_lanes a = v[i], b = v[i + step];
      v[i] = a + b;
      v[i + step] = a - b;
    }
  }
}

/// Butterflies between the lanes of a register: the partner plus or minus the lane itself.
GYRO_INLINE void between_lanes(gyro_lanes *lanes, int levels) {
  // Products with ±1 are exact, so contraction cannot change a bit, and saves an instruction.
#pragma STDC FP_CONTRACT ON
  gyro_lanes v = *lanes;
  if (levels >= 1) {
    const gyro_lanes sign = {1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1};
    v = __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14) +
        v * sign;
  }
  if (levels >= 2) {
    const gyro_lanes sign = {1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1};
    v = __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13) +
        v * sign;
  }
  if (levels >= 3) {
    const gyro_lanes sign = {1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1};
    v = __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11) +
        v * sign;
  }
  if (levels >= 4) {
    const gyro_lanes sign = {1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1};
    v = __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7) +
        v * sign;
  }
  *lanes = v;
}

/// One run of 16 · `registers` floats, multiplied by factors on the way in.
GYRO_INLINE void chunk(const float *x, float *y, const float *factors, float scale,
                       int registers) {
  gyro_lanes v[16];
#pragma clang loop unroll(full)
  for (int i = 0; i < registers; i++) {
    GYRO_LOAD(v[i], x + i * gyro_lane_count);
    if (factors) {
      gyro_lanes factor;
      GYRO_LOAD(factor, factors + i * gyro_lane_count);
      v[i] *= factor;
    } else {
      v[i] *= scale;
    }
  }
  between_registers(v, registers);
#pragma clang loop unroll(full)
  for (int i = 0; i < registers; i++) {
    between_lanes(&v[i], 4);
    GYRO_STORE(y + i * gyro_lane_count, v[i]);
  }
}

GYRO_INLINE void chunks(const float *x, float *y, int64_t count, const float *factors,
                        float scale, int registers) {
  const int64_t length = registers * gyro_lane_count;
  if (factors) {
    for (int64_t i = 0; i < count; i += length)
      chunk(x + i, y + i, factors + i, scale, registers);
  } else {
    for (int64_t i = 0; i < count; i += length) chunk(x + i, y + i, NULL, scale, registers);
  }
}

#define CHUNKS(registers)                                                                    \
  GYRO_CLONES static void chunks_##registers(const float *x, float *y, int64_t count,        \
                                             const float *factors, float scale) {            \
    chunks(x, y, count, factors, scale, registers);                                          \
  }
CHUNKS(1)
CHUNKS(2)
CHUNKS(4)
CHUNKS(8)
CHUNKS(16)

/// Levels between runs of `stride` floats, `registers` of them, in place.
GYRO_INLINE void radix(float *y, int64_t stride, int registers) {
  for (int64_t i = 0; i < stride; i += gyro_lane_count) {
    gyro_lanes v[16];
#pragma clang loop unroll(full)
    for (int j = 0; j < registers; j++) GYRO_LOAD(v[j], y + i + j * stride);
    between_registers(v, registers);
#pragma clang loop unroll(full)
    for (int j = 0; j < registers; j++) GYRO_STORE(y + i + j * stride, v[j]);
  }
}

GYRO_CLONES static void radix_2(float *y, int64_t stride) { radix(y, stride, 2); }
GYRO_CLONES static void radix_4(float *y, int64_t stride) { radix(y, stride, 4); }
GYRO_CLONES static void radix_8(float *y, int64_t stride) { radix(y, stride, 8); }
GYRO_CLONES static void radix_16(float *y, int64_t stride) { radix(y, stride, 16); }

/// The levels from runs of `stride` up to one run of `length`. Sixteen places a long way apart can
/// share one set of a cache, so beyond a block only eight are visited together.
static void outer_levels(float *y, int64_t stride, int64_t length) {
  while (stride < length) {
    int64_t ways = length / stride;
    const int64_t most = stride < block_length ? 16 : 8;
    if (ways > most) ways = most;
    for (int64_t i = 0; i < length; i += stride * ways) {
      if (ways == 2) radix_2(y + i, stride);
      if (ways == 4) radix_4(y + i, stride);
      if (ways == 8) radix_8(y + i, stride);
      if (ways == 16) radix_16(y + i, stride);
    }
    stride *= ways;
  }
}

/// Runs shorter than a register: `power` 1, 2, 4 or 8.
GYRO_CLONES
static void short_runs(const float *x, float *y, int64_t count, int64_t power,
                       const float *factors, float scale) {
  if (factors) {
    for (int64_t i = 0; i < count; i++) y[i] = x[i] * factors[i];
  } else {
    for (int64_t i = 0; i < count; i++) y[i] = x[i] * scale;
  }
  if (power == 1) return;
  for (int64_t i = 0; i < count; i += gyro_lane_count) {
    const int64_t left = count - i;
    const size_t bytes = left < gyro_lane_count ? (size_t)left * sizeof(float) : 64;
    gyro_lanes v = {0};
    if (bytes == 64) GYRO_LOAD(v, y + i);
    else memcpy(&v, y + i, bytes);
    if (power == 2) between_lanes(&v, 1);
    if (power == 4) between_lanes(&v, 2);
    if (power == 8) between_lanes(&v, 3);
    if (bytes == 64) GYRO_STORE(y + i, v);
    else memcpy(y + i, &v, bytes);
  }
}

void gyro_walsh_runs(const float *x, float *y, int64_t count, int64_t power,
                     const float *factors, float scale) {
  if (power < gyro_lane_count) {
    short_runs(x, y, count, power, factors, scale);
    return;
  }
  const int64_t chunk = power < 1 << chunk_levels ? power : 1 << chunk_levels;
  const int64_t block = power < block_length ? power : block_length;
  for (int64_t i = 0; i < count; i += block) {
    const float *factor = factors ? factors + i : NULL;
    switch (chunk / gyro_lane_count) {
    case 1: chunks_1(x + i, y + i, block, factor, scale); break;
    case 2: chunks_2(x + i, y + i, block, factor, scale); break;
    case 4: chunks_4(x + i, y + i, block, factor, scale); break;
    case 8: chunks_8(x + i, y + i, block, factor, scale); break;
    default: chunks_16(x + i, y + i, block, factor, scale); break;
    }
    outer_levels(y + i, chunk, block);
  }
  if (power > block)
    for (int64_t i = 0; i < count; i += power) outer_levels(y + i, block, power);
}
