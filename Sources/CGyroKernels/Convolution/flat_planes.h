#pragma once
#include <stdint.h>

// How convolutions read their input without copying each window.
//
// A channel is copied once, with its zero padding, into a flat run of rows of equal pitch. The
// input of kernel tap (y, x) for every result at once is then the same run, shifted by
// y · pitch + x: no column matrix is built. Results come out at the same pitch; the few that
// straddle two rows are computed and dropped. With a stride, the channel is first split into one
// plane per phase (rows and columns by their remainder), and each tap reads its own phase.
//
//      pitch = 5          taps of a 3 × 3 kernel, as shifts
//   0 0 0 0 0             0  1  2
//   0 a b c d             5  6  7     left padding of a row doubles as the right padding
//   0 e f g h            10 11 12     of the row above, rows between images likewise
//   0 0 0 0 0 0 0
//
// Several small images share a run; a large image is cut into strips of rows.

/// One convolution as its kernels see it: a correlation of `channels` planes of
/// `height` × `width`, padded by `top` and `left` (negative: cropped; the other sides follow from
/// the size of the result).
struct flat_planes {
  int64_t images, height, width;
  int64_t kernel_height, kernel_width, stride_y, stride_x, top, left;
  int64_t result_height, result_width;

  // The rest is derived by `flat_planes_plan`.
  int64_t phases_y, phases_x;
  int64_t reach_y, reach_x;    // largest shift of a tap, in rows and columns
  int64_t row, image, plane;   // pitches in elements: of a row, an image, a (channel, phase) plane
  int64_t result_plane;        // pitch of one result channel
  int64_t images_per_block, rows_per_block, strips, blocks;
};

/// One unit of work: some whole images, or a strip of rows of one.
struct flat_block {
  int64_t first_image, images, first_row, rows;
  /// Number of results, dropped ones included.
  int64_t extent;
};

/// Chooses pitches and blocks. A block has about `extent` results, fewer where that keeps
/// `lines` planes of it within the second-level cache or gives every thread some work.
void flat_planes_plan(struct flat_planes *planes, int64_t extent, int64_t lines);

struct flat_block flat_planes_block(const struct flat_planes *planes, int64_t index);

/// Shift of tap (y, x) of channel `channel`.
static inline int64_t flat_planes_shift(const struct flat_planes *planes, int64_t channel,
                                        int64_t y, int64_t x) {
  int64_t phase = y % planes->stride_y * planes->phases_x + x % planes->stride_x;
  return (channel * planes->phases_y * planes->phases_x + phase) * planes->plane +
         y / planes->stride_y * planes->row + x / planes->stride_x;
}

/// Copies `channels` channels of a block. `source` is the first channel of the first image of the
/// batch, whose images lie `image_stride` apart.
void flat_planes_fill(const struct flat_planes *planes, const struct flat_block *block,
                      const float *source, int64_t image_stride, int64_t channels, float *flat);

/// Copies `channels` result channels of a block to the places the results of the block have,
/// with zeros where results are dropped.
void flat_planes_fill_results(const struct flat_planes *planes, const struct flat_block *block,
                              const float *results, int64_t image_stride, int64_t channels,
                              float *flat);

/// Where results go: element (image, channel, y, x) at
/// `image · image_stride + channel · channel_stride + y · row_stride + x · column_stride`.
struct flat_results {
  float *data;
  int64_t image_stride, channel_stride, row_stride, column_stride;
};

/// Copies the results of a block to their places.
void flat_planes_store(const struct flat_planes *planes, const struct flat_block *block,
                       const float *flat, int64_t channels, const struct flat_results *results);
