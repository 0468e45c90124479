#include "gyro_oscillation.h"

#include "gyro_clones.h"
#include "gyro_math.h"
#include "gyro_parallel.h"

#pragma STDC FP_CONTRACT OFF

enum { grain = 8192 };

typedef struct {
  const uint8_t *levels;
  const float *held;
  float momentum, limit;
  float *previous, *direction, *frequency, *mean;
  struct gyro_oscillation_counts *counts;
} Observation;

GYRO_CLONES
static void observe_range(const Observation *job, int64_t begin, int64_t end) {
  const uint8_t *levels = job->levels;
  const float *held = job->held;
  float *previous = job->previous, *direction = job->direction;
  float *frequency = job->frequency, *mean = job->mean;
  const float momentum = job->momentum, rest = 1.0f - job->momentum;
  int64_t flips = 0, reversals = 0, oscillating = 0;
  for (int64_t i = begin; i < end; i++) {
    float level = held && held[i] > 0 ? held[i] - 1 : (float)levels[i];
    float change = level - previous[i];
    float sign = (float)(change > 0) - (float)(change < 0);
    int reversed = sign * direction[i] < 0;
    flips += sign != 0;
    reversals += reversed;
    frequency[i] = momentum * (float)reversed + rest * frequency[i];
    oscillating += frequency[i] > job->limit;
    mean[i] = momentum * level + rest * mean[i];
    direction[i] = sign != 0 ? sign : direction[i];
    previous[i] = level;
  }
  // Whole numbers: the order of these additions does not matter.
  __atomic_fetch_add(&job->counts->flips, flips, __ATOMIC_RELAXED);
  __atomic_fetch_add(&job->counts->reversals, reversals, __ATOMIC_RELAXED);
  __atomic_fetch_add(&job->counts->oscillating, oscillating, __ATOMIC_RELAXED);
}

static void observe_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  observe_range(context, begin, end);
}

void gyro_oscillation_observe(const uint8_t *levels, const float *held, int64_t count,
                              float momentum, float limit, float *previous, float *direction,
                              float *frequency, float *mean,
                              struct gyro_oscillation_counts *counts) {
  *counts = (struct gyro_oscillation_counts){0, 0, 0};
  Observation job = {levels, held, momentum, limit, previous, direction, frequency, mean, counts};
  gyro_parallel_for(count, grain, observe_body, &job);
}

static float value_of(const struct gyro_levels *grid, int64_t level, int64_t group) {
  float offset = grid->offsets ? grid->offsets[group] : 0;
  return (grid->values[level] - offset) * grid->scales[group];
}

void gyro_dampen(const struct gyro_levels *grid, const float *weight, const uint8_t *levels,
                 int64_t count, float factor, float *gradient) {
  for (int64_t first = 0; first < count; first += grid->length) {
    int64_t group = first / grid->length, stop = first + grid->length;
    float low = value_of(grid, 0, group), high = value_of(grid, grid->value_count - 1, group);
    for (int64_t i = first; i < stop && i < count; i++)
      if (weight[i] >= low && weight[i] <= high)
        gradient[i] += factor * (weight[i] - value_of(grid, levels[i], group));
  }
}

int64_t gyro_hold_oscillating(const float *frequency, const float *mean, int64_t count,
                              float threshold, float *held) {
  int64_t total = 0;
  for (int64_t i = 0; i < count; i++) {
    if (held[i] == 0 && frequency[i] > threshold) held[i] = 1 + gyro_round(mean[i]);
    total += held[i] > 0;
  }
  return total;
}

void gyro_write_held(const struct gyro_levels *grid, const float *held, int64_t count,
                     float *weight) {
  for (int64_t i = 0; i < count; i++)
    if (held[i] > 0) weight[i] = value_of(grid, (int64_t)held[i] - 1, i / grid->length);
}
