#pragma once
#include "gyro_cache_value.h"
#include "gyro_lanes.h"

/// Channels that share a scale, and how many such groups a head has.
GYRO_INLINE int64_t value_group(const gyro_value_codes *codes) {
  return codes->group < codes->head_size ? codes->group : codes->head_size;
}
GYRO_INLINE int64_t value_groups(const gyro_value_codes *codes) {
  const int64_t group = value_group(codes);
  return (codes->head_size + group - 1) / group;
}

/// The row of nibbles of a token in one head's plane.
GYRO_INLINE uint8_t *value_row(const gyro_value_codes *codes, int plane, int32_t plane_bits,
                               int64_t head, int64_t token) {
  const int64_t sharing = 4 / plane_bits;
  return codes->planes[plane] +
         (head * (codes->capacity / sharing) + token / sharing) * (codes->head_size / 2);
}
