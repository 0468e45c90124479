#pragma once
#include <stdint.h>

// Weights that swing between two codes during training (Nagel et al., 2203.11086). A level is the
// rank of a code's value among the format's values. Groups are `length` neighbors each.

/// How many of the elements changed their level, did so against their last change, and have a
/// frequency above the limit.
struct gyro_oscillation_counts {
  int64_t flips, reversals, oscillating;
};

/// One more observation of each level. `frequency` is the running mean of "changed against its last
/// change", `mean` that of the level, both with `momentum` for the new observation. `held` may be
/// NULL; where it is above 0, level `held − 1` counts instead of the one in `levels`.
void gyro_oscillation_observe(const uint8_t *levels, const float *held, int64_t count,
                              float momentum, float limit, float *previous, float *direction,
                              float *frequency, float *mean,
                              struct gyro_oscillation_counts *counts);

/// What a level stands for in a group: (values[level] − offset) · scale.
struct gyro_levels {
  const float *values, *scales;
  /// NULL for none.
  const float *offsets;
  int64_t value_count, length;
};

/// gradient += factor · (weight − value of its level) for weights inside their grid.
void gyro_dampen(const struct gyro_levels *grid, const float *weight, const uint8_t *levels,
                 int64_t count, float factor, float *gradient);

/// held = 1 + round(mean) where it is 0 and the frequency is above the threshold. Returns how many
/// elements are held then.
int64_t gyro_hold_oscillating(const float *frequency, const float *mean, int64_t count,
                              float threshold, float *held);

/// Puts the value of its level in place of each element that is held.
void gyro_write_held(const struct gyro_levels *grid, const float *held, int64_t count,
                     float *weight);
