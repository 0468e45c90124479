#include <stdlib.h>

#include "gyro_parallel.h"
#include "range_error.h"

#pragma STDC FP_CONTRACT OFF

/// A group of elements; `partial` has room for one sum per block when threads share the blocks.
typedef struct {
  const gyro_range_search *search;
  const float *x;
  const double *weights;
  int64_t count;
  double *partial;
  range_grid grid;
} Group;

typedef struct {
  float low, high;
  double error;
} Best;

static double block_error(const Group *group, int64_t block, double before, double bound) {
  int64_t first = block * range_block, rest = group->count - first;
  return range_block_error(&group->grid, group->search->error, group->x + first,
                           group->weights ? group->weights + first : 0,
                           rest < range_block ? rest : range_block, before, bound);
}

static void blocks_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Group *group = context;
  for (int64_t block = begin; block < end; block++)
    group->partial[block] = block_error(group, block, 0, __builtin_inf());
}

/// The error of a range, or a part of it that is `bound` or more already.
static double error_of(Group *group, float low, float high, double bound) {
  int64_t blocks = (group->count + range_block - 1) / range_block;
  double sum = 0;
  group->grid = range_grid_of(group->search, low, high);
  if (group->partial) {
    gyro_parallel_for(blocks, 8, blocks_body, group);
    for (int64_t block = 0; block < blocks; block++) sum += group->partial[block];
  } else {
    for (int64_t block = 0; block < blocks && sum < bound; block++)
      sum += block_error(group, block, sum, bound);
  }
  return sum;
}

static void try_range(Group *group, float low, float high, Best *best) {
  double error = error_of(group, low, high, best->error);
  if (error < best->error) *best = (Best){low, high, error};
}

/// Which of the two ends a factor multiplies.
enum { both = 0, lower = 1, upper = 2 };

static float scaled(float end, float factor) {
  const float limit = 0x1.fffffep127f;
  float value = end * factor;
  return value > limit ? limit : value < -limit ? -limit : value;
}

static void try_factor(Group *group, Best data, Best fixed, int ends, float factor, Best *best) {
  float low = ends == upper ? fixed.low : scaled(data.low, factor);
  float high = ends == lower ? fixed.high : scaled(data.high, factor);
  try_range(group, low, high, best);
}

static float grid_factor(const gyro_range_search *search, int32_t i) {
  return search->reach * (float)(search->steps - i) / (float)search->steps;
}

static void search_grid(Group *group, Best data, int ends, Best *best) {
  const gyro_range_search *search = group->search;
  Best fixed = *best;
  float middle = 0;
  for (int32_t i = 0; i < search->tried; i++) {
    double before = best->error;
    try_factor(group, data, fixed, ends, grid_factor(search, i), best);
    if (best->error < before) middle = grid_factor(search, i);
  }
  if (search->refinement <= 1) return;
  if (middle == 0) middle = 1;  // where the search began is still the best
  float step = search->reach / ((float)search->steps * (float)search->refinement);
  for (int32_t i = 1 - search->refinement; i < search->refinement; i++) {
    float factor = middle + (float)i * step;
    if (i != 0 && factor > 0 && factor <= search->reach)
      try_factor(group, data, fixed, ends, factor, best);
  }
}

/// Golden section on 0 … reach, 24 steps: to 1e-5 of the range.
static void search_golden(Group *group, Best data, int ends, Best *best) {
  const float ratio = 0.618033989f;
  Best fixed = *best;
  float begin = 0, end = group->search->reach;
  float left = end - ratio * (end - begin), right = begin + ratio * (end - begin);
  double infinity = __builtin_inf();
  Best at_left = {0, 0, infinity}, at_right = {0, 0, infinity};
  try_factor(group, data, fixed, ends, left, &at_left);
  try_factor(group, data, fixed, ends, right, &at_right);
  for (int step = 0; step < 24; step++) {
    if (at_left.error <= at_right.error) {
      end = right;
      right = left;
      at_right = at_left;
      left = end - ratio * (end - begin);
      at_left.error = infinity;
      try_factor(group, data, fixed, ends, left, &at_left);
    } else {
      begin = left;
      left = right;
      at_left = at_right;
      right = begin + ratio * (end - begin);
      at_right.error = infinity;
      try_factor(group, data, fixed, ends, right, &at_right);
    }
  }
  if (at_left.error < best->error) *best = at_left;
  if (at_right.error < best->error) *best = at_right;
}

static void search_line(Group *group, Best data, int ends, Best *best) {
  if (group->search->order == GYRO_SEARCH_GOLDEN)
    search_golden(group, data, ends, best);
  else
    search_grid(group, data, ends, best);
}

static void search_plane(Group *group, Best data, Best *best) {
  const gyro_range_search *search = group->search;
  int32_t lows = data.low < 0 ? search->tried : 1, highs = data.high > 0 ? search->tried : 1;
  for (int32_t i = 0; i < lows; i++)
    for (int32_t j = 0; j < highs; j++)
      try_range(group, scaled(data.low, grid_factor(search, i)),
                scaled(data.high, grid_factor(search, j)), best);
}

static void search_group(Group *group, float *low_result, float *high_result) {
  const gyro_range_search *search = group->search;
  float low = 0, high = 0;
  for (int64_t i = 0; i < group->count; i++) {
    low = group->x[i] < low ? group->x[i] : low;
    high = group->x[i] > high ? group->x[i] : high;
  }
  int asymmetric = search->quantizer.is_asymmetric;
  if (!asymmetric) {
    high = -low > high ? -low : high;
    low = search->quantizer.format.lowest < 0 ? -high : 0;
  }
  Best data = {low, high, 0}, best = data;
  if (low < 0 || high > 0) {
    best.error = error_of(group, low, high, __builtin_inf());
    int two_ends = asymmetric && low < 0 && high > 0;
    if (two_ends && search->ends == GYRO_ENDS_IN_PLANE) {
      search_plane(group, data, &best);
    } else {
      search_line(group, data, both, &best);
      for (int turn = 0; two_ends && search->ends == GYRO_ENDS_IN_TURN && turn < 2; turn++) {
        search_line(group, data, upper, &best);
        search_line(group, data, lower, &best);
      }
    }
  }
  *low_result = best.low;
  *high_result = best.high;
}

typedef struct {
  const gyro_range_search *search;
  const float *x;
  const double *weights;
  int64_t length;
  float *lows, *highs;
} Groups;

static void groups_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Groups *job = context;
  for (int64_t i = begin; i < end; i++) {
    int64_t first = i * job->length;
    Group group = {.search = job->search, .x = job->x + first, .count = job->length,
                   .weights = job->weights ? job->weights + first : 0};
    search_group(&group, job->lows + i, job->highs + i);
  }
}

/// Room for one sum per block, or NULL: then one thread does it all, with the same bits.
static double *partial_sums(int64_t count) {
  return malloc((size_t)((count + range_block - 1) / range_block + 1) * sizeof(double));
}

void gyro_search_ranges(const gyro_range_search *search, const float *x, const double *weights,
                        int64_t groups, int64_t length, float *lows, float *highs) {
  if (groups >= 2 * gyro_thread_count()) {
    Groups job = {search, x, weights, length, lows, highs};
    int64_t chunk = length > 0 ? range_block / length : 1;
    gyro_parallel_for_dynamic(groups, chunk > 1 ? chunk : 1, groups_body, &job);
    return;
  }
  double *partial = partial_sums(length);
  for (int64_t i = 0; i < groups; i++) {
    Group group = {.search = search, .x = x + i * length, .count = length, .partial = partial,
                   .weights = weights ? weights + i * length : 0};
    search_group(&group, lows + i, highs + i);
  }
  free(partial);
}

double gyro_range_error(const gyro_range_search *search, const float *x, const double *weights,
                        int64_t count, float low, float high) {
  double *partial = partial_sums(count);
  Group group = {.search = search, .x = x, .weights = weights, .count = count, .partial = partial};
  double error = error_of(&group, low, high, __builtin_inf());
  free(partial);
  return error;
}

typedef struct {
  const gyro_range_search *search;
  const float *x;
  const double *weights;
  int64_t count;
  const float *lows, *highs;
  double *errors;
} Candidates;

static void candidates_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Candidates *job = context;
  for (int64_t i = begin; i < end; i++) {
    Group group = {.search = job->search, .x = job->x, .weights = job->weights,
                   .count = job->count};
    job->errors[i] = error_of(&group, job->lows[i], job->highs[i], __builtin_inf());
  }
}

void gyro_range_errors(const gyro_range_search *search, const float *x, const double *weights,
                       int64_t count, const float *lows, const float *highs, int64_t candidates,
                       double *errors) {
  Candidates job = {search, x, weights, count, lows, highs, errors};
  gyro_parallel_for(candidates, 1 + 65536 / (count + 1), candidates_body, &job);
}
