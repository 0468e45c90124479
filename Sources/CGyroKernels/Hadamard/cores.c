#include "gyro_clones.h"
#include "gyro_lanes.h"
#include "hadamard.h"

// Dense factors, sixteen columns at a time. A core of ±1 sums each group of four inputs under all
// sixteen choices of signs first; every output then takes one of these sums from each group: a
// fourth of the additions (the method of four Russians, Arlazarov et al., 1970).

enum { group_size = 4, choices = 16, table_groups = 8 };

int64_t gyro_core_scratch(int32_t order) {
  // The results, a packed copy of the inputs, and the tables.
  return (2 * (int64_t)order + table_groups * choices) * gyro_lane_count;
}

/// All sums ±a ± b ± c ± d of a group; bit j of the place says that input j is negated.
GYRO_INLINE void fill_table(const float *x, int64_t stride, float *table) {
  gyro_lanes a, b, c, d;
  GYRO_LOAD(a, x);
  GYRO_LOAD(b, x + stride);
  GYRO_LOAD(c, x + 2 * stride);
  GYRO_LOAD(d, x + 3 * stride);
  const gyro_lanes first[4] = {a + b, b - a, a - b, -a - b};
  const gyro_lanes second[4] = {c + d, d - c, c - d, -c - d};
#pragma clang loop unroll(full)
  for (int place = 0; place < choices; place++) {
    const gyro_lanes sum = first[place % 4] + second[place / 4];
    GYRO_STORE(table + place * gyro_lane_count, sum);
  }
}

/// The entries of `groups` groups (8, 4, 2 or 1), summed as a balanced tree.
GYRO_INLINE void add_entries(const char *table, const uint8_t *codes, int groups,
                             gyro_lanes *result) {
  gyro_lanes sums[table_groups];
#pragma clang loop unroll(full)
  for (int group = 0; group < groups; group++)
    GYRO_LOAD(sums[group], table + group * choices * 64 + (size_t)codes[group] * 8);
#pragma clang loop unroll(full)
  for (int step = 1; step < groups; step *= 2) {
#pragma clang loop unroll(full)
    for (int group = 0; group < groups; group += 2 * step) sums[group] += sums[group + step];
  }
  *result = sums[0];
}

/// Adds what `groups` groups give to every output.
GYRO_INLINE void add_groups(const float *x, int64_t stride, int32_t order, const uint8_t *codes,
                            int groups, int is_first, float *table, float *sums) {
#pragma clang loop unroll(full)
  for (int group = 0; group < groups; group++)
    fill_table(x + group * group_size * stride, stride,
               table + group * choices * gyro_lane_count);
  const int64_t row = order / group_size;
  for (int64_t output = 0; output < order; output++) {
    gyro_lanes sum;
    add_entries((const char *)table, codes + output * row, groups, &sum);
    if (!is_first) {
      gyro_lanes before;
      GYRO_LOAD(before, sums + output * gyro_lane_count);
      sum += before;
    }
    GYRO_STORE(sums + output * gyro_lane_count, sum);
  }
}

/// Sixteen columns: sums[o] = Σ ± x[i], inputs `stride` apart.
GYRO_CLONES
static void core_tile(const float *x, int64_t stride, int32_t order, const uint8_t *codes,
                      float *table, float *sums) {
  const int32_t groups = order / group_size;
  for (int32_t done = 0; done < groups;) {
    const int32_t left = groups - done;
    const float *input = x + done * group_size * stride;
    const int is_first = done == 0;
    if (left >= 8) {
      add_groups(input, stride, order, codes + done, 8, is_first, table, sums);
      done += 8;
    } else if (left >= 4) {
      add_groups(input, stride, order, codes + done, 4, is_first, table, sums);
      done += 4;
    } else if (left >= 2) {
      add_groups(input, stride, order, codes + done, 2, is_first, table, sums);
      done += 2;
    } else {
      add_groups(input, stride, order, codes + done, 1, is_first, table, sums);
      done += 1;
    }
  }
}

/// Sixteen columns of a dense product: sums[o] = Σ x[i] · matrix[i, o].
GYRO_CLONES
static void dense_tile(const float *x, int64_t stride, int32_t order, const float *matrix,
                       float *sums) {
  for (int32_t output = 0; output < order; output++) {
    gyro_lanes sum = {0}, value;
    for (int32_t input = 0; input < order; input++) {
      GYRO_LOAD(value, x + input * stride);
      sum += value * matrix[(int64_t)input * order + output];
    }
    GYRO_STORE(sums + (int64_t)output * gyro_lane_count, sum);
  }
}

typedef struct {
  int32_t order;
  const uint8_t *codes;
  const float *matrix;
  float *sums, *packed, *table;
} Tile;

static void run_tile(const Tile *tile, const float *x, int64_t stride) {
  if (tile->codes) core_tile(x, stride, tile->order, tile->codes, tile->table, tile->sums);
  else dense_tile(x, stride, tile->order, tile->matrix, tile->sums);
}

/// Sixteen columns where they lie.
GYRO_CLONES
static void put_back(const float *sums, int32_t order, float *y, int64_t stride) {
  for (int32_t output = 0; output < order; output++) {
    gyro_lanes sum;
    GYRO_LOAD(sum, sums + (int64_t)output * gyro_lane_count);
    GYRO_STORE(y + output * stride, sum);
  }
}

/// Copies `width` columns of each row of some items into one tile, side by side, or back.
GYRO_INLINE void move_columns(const Tile *tile, float *y, int64_t items, int64_t inner,
                              int64_t width, int is_back) {
  const size_t bytes = (size_t)width * sizeof(float);
  for (int64_t item = 0; item < items; item++) {
    float *place = y + item * tile->order * inner;
    for (int64_t row = 0; row < tile->order; row++, place += inner) {
      const int64_t lane = row * gyro_lane_count + item * width;
      if (is_back) memcpy(place, tile->sums + lane, bytes);
      else memcpy(tile->packed + lane, place, bytes);
    }
  }
}

/// The same; copies of a width known here need no call.
static void move(const Tile *tile, float *y, int64_t items, int64_t inner, int64_t width,
                 int is_back) {
  switch (width) {
  case 1: move_columns(tile, y, items, inner, 1, is_back); break;
  case 2: move_columns(tile, y, items, inner, 2, is_back); break;
  case 4: move_columns(tile, y, items, inner, 4, is_back); break;
  case 8: move_columns(tile, y, items, inner, 8, is_back); break;
  default: move_columns(tile, y, items, inner, width, is_back); break;
  }
}

/// Fewer than sixteen columns of `items` neighbouring items, gathered into one tile. Lanes left over
/// hold what was there before.
static void packed_tile(const Tile *tile, float *y, int64_t items, int64_t inner, int64_t width) {
  move(tile, y, items, inner, width, 0);
  run_tile(tile, tile->packed, gyro_lane_count);
  move(tile, y, items, inner, width, 1);
}

static void all_tiles(const Tile *tile, float *y, int64_t outer, int64_t inner) {
  const int64_t item_length = tile->order * inner;
  if (inner < gyro_lane_count) {
    const int64_t together = gyro_lane_count / inner;
    for (int64_t item = 0; item < outer; item += together) {
      const int64_t items = outer - item < together ? outer - item : together;
      packed_tile(tile, y + item * item_length, items, inner, inner);
    }
    return;
  }
  for (int64_t item = 0; item < outer; item++, y += item_length) {
    int64_t column = 0;
    for (; column + gyro_lane_count <= inner; column += gyro_lane_count) {
      run_tile(tile, y + column, inner);
      put_back(tile->sums, tile->order, y + column, inner);
    }
    if (column < inner) packed_tile(tile, y + column, 1, inner, inner - column);
  }
}

static Tile tile_in(float *scratch, int32_t order) {
  const int64_t length = (int64_t)order * gyro_lane_count;
  memset(scratch + length, 0, (size_t)length * sizeof(float));
  return (Tile){.order = order, .sums = scratch, .packed = scratch + length,
                .table = scratch + 2 * length};
}

void gyro_core_items(float *y, int64_t outer, int32_t order, int64_t inner, const uint8_t *codes,
                     float *scratch) {
  Tile tile = tile_in(scratch, order);
  tile.codes = codes;
  all_tiles(&tile, y, outer, inner);
}

void gyro_dense_items(float *y, int64_t outer, int32_t order, int64_t inner, const float *matrix,
                      float *scratch) {
  Tile tile = tile_in(scratch, order);
  tile.matrix = matrix;
  all_tiles(&tile, y, outer, inner);
}
