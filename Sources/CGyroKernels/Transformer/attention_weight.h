#pragma once
#include "gyro_lanes.h"
#include "gyro_math.h"

/// What follows a row's last visible chunk: products read at most that far (see gyro_product).
static const gyro_lanes gyro_attention_zeros;

/// eˣ for x ≤ 0, or 0 where a query may not look. Nothing below e⁻⁸⁰: no sum beside a weight of 1
/// notices the difference, and products of smaller numbers leave the normal range, where some
/// processors take a hundred times as long.
GYRO_INLINE float gyro_attention_weight(float x, int visible) {
  const float weight = gyro_exp(x < -80.0f ? -80.0f : x);
  return visible ? weight : 0.0f;
}
