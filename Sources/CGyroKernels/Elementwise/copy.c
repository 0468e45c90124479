#include "gyro_copy.h"

#include <string.h>

#include "gyro_clones.h"
#include "gyro_parallel.h"

enum { maximum_rank = 8, tile = 16 };

typedef struct {
  const float *source;
  float *destination;
  int64_t extents[maximum_rank], strides[maximum_rank];
  int32_t rank;
} Copy;

/// The last axis as one run.
static void copy_row(const float *source, int64_t stride, int64_t count, float *destination) {
  if (stride == 1) {
    memcpy(destination, source, (size_t)count * sizeof(float));
  } else {
    for (int64_t i = 0; i < count; i++) destination[i] = source[i * stride];
  }
}

static void copy_rows(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Copy *copy = context;
  int32_t last = copy->rank - 1;
  for (int64_t row = begin; row < end; row++) {
    int64_t place = 0, rest = row;
    for (int32_t axis = last - 1; axis >= 0; axis--) {
      place += rest % copy->extents[axis] * copy->strides[axis];
      rest /= copy->extents[axis];
    }
    copy_row(copy->source + place, copy->strides[last], copy->extents[last],
             copy->destination + row * copy->extents[last]);
  }
}

/// The last two axes exchanged: copied in square tiles, so that both sides use whole cache lines.
static void copy_transposed(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Copy *copy = context;
  int32_t last = copy->rank - 1;
  int64_t rows = copy->extents[last - 1], columns = copy->extents[last];
  int64_t tiles = (rows + tile - 1) / tile;
  for (int64_t job = begin; job < end; job++) {
    int64_t matrix = job / tiles, first = job % tiles * tile, place = 0, rest = matrix;
    for (int32_t axis = last - 2; axis >= 0; axis--) {
      place += rest % copy->extents[axis] * copy->strides[axis];
      rest /= copy->extents[axis];
    }
    const float *source = copy->source + place;
    float *destination = copy->destination + matrix * rows * columns;
    int64_t stop = first + tile < rows ? first + tile : rows;
    for (int64_t c0 = 0; c0 < columns; c0 += tile) {
      int64_t c1 = c0 + tile < columns ? c0 + tile : columns;
      for (int64_t r = first; r < stop; r++)
        for (int64_t c = c0; c < c1; c++)
          destination[r * columns + c] =
              source[r * copy->strides[last - 1] + c * copy->strides[last]];
    }
  }
}

void gyro_copy_strided(const float *source, const int64_t *extents, const int64_t *strides,
                       int32_t rank, float *destination) {
  if (rank == 0) {
    *destination = *source;
    return;
  }
  Copy copy = {.source = source, .destination = destination, .rank = rank};
  int64_t rows = 1;
  for (int32_t axis = 0; axis < rank; axis++) {
    copy.extents[axis] = extents[axis];
    copy.strides[axis] = strides[axis];
    if (axis < rank - 1) rows *= extents[axis];
  }
  if (rows * extents[rank - 1] == 0) return;
  if (rank >= 2 && strides[rank - 1] != 1 && strides[rank - 2] == 1) {
    int64_t height = extents[rank - 2], matrices = rows / height;
    int64_t jobs = matrices * ((height + tile - 1) / tile);
    gyro_parallel_for(jobs, 1 + 65536 / (tile * extents[rank - 1]), copy_transposed, &copy);
  } else {
    gyro_parallel_for(rows, 1 + 65536 / extents[rank - 1], copy_rows, &copy);
  }
}
