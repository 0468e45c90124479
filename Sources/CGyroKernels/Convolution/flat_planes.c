#include "flat_planes.h"

#include <string.h>

#include "gyro_parallel.h"

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t divide_up(int64_t a, int64_t b) { return a > 0 ? (a + b - 1) / b : 0; }

/// A pitch that is a whole, odd number of cache lines: planes then fall into different sets.
static int64_t pitch(int64_t count) { return (divide_up(count, 16) | 1) * 16; }

/// Leading and trailing zeros that every phase of an axis has.
static int64_t shared_zeros(int64_t phases, int64_t stride, int64_t padding, int64_t source,
                            int64_t places, int64_t reach) {
  int64_t shared = reach;
  for (int64_t phase = 0; phase < phases; phase++) {
    int64_t leading = divide_up(padding - phase, stride);
    int64_t trailing = places - divide_up(source + padding - phase, stride);
    shared = smaller(shared, smaller(leading, trailing));
  }
  return larger(shared, 0);
}

void flat_planes_plan(struct flat_planes *p, int64_t extent, int64_t lines) {
  p->phases_y = smaller(p->stride_y, p->kernel_height);
  p->phases_x = smaller(p->stride_x, p->kernel_width);
  p->reach_y = (p->kernel_height - 1) / p->stride_y;
  p->reach_x = (p->kernel_width - 1) / p->stride_x;
  int64_t width = p->result_width + p->reach_x, height = p->result_height + p->reach_y;
  int64_t shared_x =
      shared_zeros(p->phases_x, p->stride_x, p->left, p->width, width, p->reach_x);
  int64_t shared_y =
      shared_zeros(p->phases_y, p->stride_y, p->top, p->height, height, p->reach_y);
  p->row = width - shared_x;
  p->image = (height - shared_y) * p->row;

  const int64_t cache = 256 * 1024;  // elements: half of a second-level cache of 2 MiB
  int64_t budget = larger(larger(1, smaller(extent, cache / larger(lines, 1))), p->row);
  // A thread gets at least two blocks, if that leaves them worth the trouble.
  int64_t share = p->images * p->image / (2 * gyro_thread_count());
  budget = smaller(budget, larger(share, 256));
  if (p->image <= budget + budget / 2) {
    int64_t fit = larger(1, smaller(budget / p->image, p->images));
    // Blocks of equal size.
    p->images_per_block = divide_up(p->images, divide_up(p->images, fit));
    p->rows_per_block = p->result_height;
    p->strips = 1;
  } else {
    p->images_per_block = 1;
    int64_t strips = divide_up(p->result_height, larger(1, budget / p->row));
    p->rows_per_block = divide_up(p->result_height, strips);
    p->strips = divide_up(p->result_height, p->rows_per_block);
  }
  p->blocks = p->strips * divide_up(p->images, p->images_per_block);
  int64_t full = (p->images_per_block - 1) * p->image + (p->rows_per_block + p->reach_y) * p->row;
  p->plane = pitch(full + shared_x + 16);
  p->result_plane = pitch(full + 16);
}

struct flat_block flat_planes_block(const struct flat_planes *p, int64_t index) {
  struct flat_block block;
  block.first_image = index / p->strips * p->images_per_block;
  block.images = smaller(p->images_per_block, p->images - block.first_image);
  block.first_row = index % p->strips * p->rows_per_block;
  block.rows = smaller(p->rows_per_block, p->result_height - block.first_row);
  block.extent = (block.images - 1) * p->image + (block.rows - 1) * p->row + p->result_width;
  return block;
}

/// Copies `count` ≥ 1 elements that do not overlap. Rows are short: a library call would cost more
/// than the copy, so the last full vector overlaps the one before instead.
static inline __attribute__((always_inline)) void copy_row(float *to, const float *from,
                                                           int64_t count) {
  if (count >= 16) {
    for (int64_t i = 0; i < count - 16; i += 16) memcpy(to + i, from + i, 64);
    memcpy(to + count - 16, from + count - 16, 64);
  } else if (count >= 8) {
    memcpy(to, from, 32);
    memcpy(to + count - 8, from + count - 8, 32);
  } else if (count >= 4) {
    memcpy(to, from, 16);
    memcpy(to + count - 4, from + count - 4, 16);
  } else {
    for (int64_t i = 0; i < count; i++) to[i] = from[i];
  }
}

/// One row of one phase: zeros, every `stride`-th element of the source, zeros.
static void fill_row(const float *source, int64_t first, int64_t stride, int64_t begin,
                     int64_t end, int64_t count, float *row) {
  for (int64_t i = 0; i < begin; i++) row[i] = 0;
  if (stride == 1) {
    if (begin < end) copy_row(row + begin, source + first + begin, end - begin);
  } else if (stride == 2) {  // a stride the compiler knows is vectorized
    for (int64_t i = begin; i < end; i++) row[i] = source[first + i * 2];
  } else {
    for (int64_t i = begin; i < end; i++) row[i] = source[first + i * stride];
  }
  for (int64_t i = larger(begin, end); i < count; i++) row[i] = 0;
}

/// One phase of one channel of all images of a block.
static void fill_phase(const struct flat_planes *p, const struct flat_block *block,
                       const float *source, int64_t image_stride, int64_t phase_y,
                       int64_t phase_x, float *flat) {
  int64_t begin = smaller(divide_up(p->left - phase_x, p->stride_x), p->row);
  int64_t end = smaller(divide_up(p->width + p->left - phase_x, p->stride_x), p->row);
  float *row = flat;
  for (int64_t image = 0; image < block->images; image++) {
    int last = image + 1 == block->images;
    int64_t rows = last ? block->rows + p->reach_y : p->image / p->row;
    for (int64_t y = 0; y < rows; y++, row += p->row) {
      int64_t line = (block->first_row + y) * p->stride_y + phase_y - p->top;
      if (line < 0 || line >= p->height) {
        memset(row, 0, (size_t)p->row * 4);
      } else {
        fill_row(source + image * image_stride + line * p->width, phase_x - p->left, p->stride_x,
                 begin, end, p->row, row);
      }
    }
  }
  // What shifted reads may touch past the last row must be finite, and not slow to compute with.
  int64_t rest = smaller(p->plane - (row - flat), p->reach_x + 16);
  memset(row, 0, (size_t)rest * 4);
}

void flat_planes_fill(const struct flat_planes *p, const struct flat_block *block,
                      const float *source, int64_t image_stride, int64_t channels, float *flat) {
  source += block->first_image * image_stride;
  for (int64_t channel = 0; channel < channels; channel++)
    for (int64_t y = 0; y < p->phases_y; y++)
      for (int64_t x = 0; x < p->phases_x; x++, flat += p->plane)
        fill_phase(p, block, source + channel * p->height * p->width, image_stride, y, x, flat);
}

void flat_planes_fill_results(const struct flat_planes *p, const struct flat_block *block,
                              const float *results, int64_t image_stride, int64_t channels,
                              float *flat) {
  int64_t extent = (block->extent + 15) / 16 * 16;
  int64_t size = p->result_height * p->result_width;
  for (int64_t channel = 0; channel < channels; channel++, flat += p->result_plane) {
    int64_t written = 0;
    for (int64_t image = 0; image < block->images; image++) {
      const float *source = results + (block->first_image + image) * image_stride +
                            channel * size + block->first_row * p->result_width;
      for (int64_t y = 0; y < block->rows; y++) {
        int64_t place = image * p->image + y * p->row;
        for (int64_t i = written; i < place; i++) flat[i] = 0;
        copy_row(flat + place, source + y * p->result_width, p->result_width);
        written = place + p->result_width;
      }
    }
    memset(flat + written, 0, (size_t)(extent - written) * 4);
  }
}

void flat_planes_store(const struct flat_planes *p, const struct flat_block *block,
                       const float *flat, int64_t channels, const struct flat_results *results) {
  for (int64_t channel = 0; channel < channels; channel++, flat += p->result_plane)
    for (int64_t image = 0; image < block->images; image++) {
      float *target = results->data + (block->first_image + image) * results->image_stride +
                      channel * results->channel_stride + block->first_row * results->row_stride;
      const float *source = flat + image * p->image;
      for (int64_t y = 0; y < block->rows; y++, target += results->row_stride, source += p->row) {
        if (results->column_stride == 1) {
          copy_row(target, source, p->result_width);
        } else {
          for (int64_t x = 0; x < p->result_width; x++)
            target[x * results->column_stride] = source[x];
        }
      }
    }
}
