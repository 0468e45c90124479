#include "gyro_gptq.h"

#include "gyro_clones.h"
#include "gyro_parallel.h"
#include "gyro_project.h"

// A thread takes a tile of outputs through all columns of a block: the tile of the block stays in
// the first-level cache, and every step is a multiple of it added to another run of neighbors.

enum {
  /// Outputs of a tile: four registers of sixteen.
  tile_rows = 64,
  /// Columns times outputs that are worth a thread.
  thread_elements = 4096,
};

enum { kind_integers, kind_around_zero_point, kind_floats, kind_levels };

typedef struct {
  const gyro_gptq_block *block;
  int64_t first, begin, end, last;
} Job;

static int kind_of(const gyro_gptq_block *block) {
  if (block->zero_points) return kind_around_zero_point;
  if (block->quantizer->format.kind == GYRO_FORMAT_INTEGERS) return kind_integers;
  return block->quantizer->format.kind == GYRO_FORMAT_FLOATS ? kind_floats : kind_levels;
}

/// The nearest number of a format that is not a list of levels.
GYRO_INLINE float number_of(int kind, const gyro_number_format *format, float span,
                            float quotient, float zero) {
  switch (kind) {
    case kind_integers:
      return gyro_project_integer(quotient, format->lowest, format->largest);
    case kind_around_zero_point: return gyro_project_integer(quotient, -zero, span - zero);
    default:
      return gyro_project_float(quotient, format->largest,
                                (uint32_t)(format->smallest_exponent + 127) << 23,
                                (uint32_t)(23 - format->mantissa_bits) << 23);
  }
}

/// The same for all rows of a tile. The loop over levels is outside: rows stay side by side.
GYRO_INLINE void numbers_of(int kind, const gyro_number_format *format, float span,
                            const float *quotients, const float *zeros, float *numbers) {
  if (kind != kind_levels) {
    GYRO_ELEMENTWISE
    for (int i = 0; i < tile_rows; i++)
      numbers[i] = number_of(kind, format, span, quotients[i], zeros[i]);
    return;
  }
  int32_t levels[tile_rows] = {0};
  for (int32_t level = 0; level + 1 < format->level_count; level++) {
    float threshold = format->thresholds[level];
    GYRO_ELEMENTWISE
    for (int i = 0; i < tile_rows; i++) levels[i] += quotients[i] >= threshold;
  }
  for (int i = 0; i < tile_rows; i++) numbers[i] = format->levels[levels[i]];
}

/// One tile: `weights` is [columns from begin on, tile_rows].
GYRO_INLINE void round_tile(int kind, const Job *job, int64_t row, int64_t rows,
                            float weights[][tile_rows]) {
  const gyro_gptq_block *block = job->block;
  const gyro_number_format *format = &block->quantizer->format;
  float span = block->quantizer->span, whole = block->tensor_scale;
  float scale[tile_rows], zero[tile_rows], part[tile_rows], number[tile_rows];
  float quotient[tile_rows], error[tile_rows], loss[tile_rows] = {0};
  for (int i = 0; i < tile_rows; i++) scale[i] = 1, zero[i] = 0;
  for (int64_t column = job->begin; column < job->end; column++) {
    int64_t place = block->strips[column] * block->rows + row;
    memcpy(scale, block->scales + place, (size_t)rows * sizeof(float));
    if (kind == kind_around_zero_point)
      memcpy(zero, block->zero_points + place, (size_t)rows * sizeof(float));
    const float *factor = block->factor + column * block->inputs;
    float diagonal = factor[column], *current = weights[column - job->begin];
    GYRO_ELEMENTWISE
    for (int i = 0; i < tile_rows; i++) {
      quotient[i] = current[i] / scale[i];
      part[i] = whole == 1 ? scale[i] : gyro_scale_part(scale[i], whole);
    }
    numbers_of(kind, format, span, quotient, zero, number);
    GYRO_ELEMENTWISE
    for (int i = 0; i < tile_rows; i++) {
      float rounded = number[i] * part[i] * whole;
      error[i] = (current[i] - rounded) / diagonal;
      loss[i] += error[i] * error[i];
      current[i] = rounded;
    }
    memcpy(block->errors + (column - job->first) * block->rows + row, error,
           (size_t)rows * sizeof(float));
    for (int64_t other = column + 1; other < job->last; other++) {
      float share = factor[other], *target = weights[other - job->begin];
      GYRO_ELEMENTWISE
      for (int i = 0; i < tile_rows; i++) target[i] -= error[i] * share;
    }
  }
  for (int64_t i = 0; i < rows; i++) block->losses[row + i] += loss[i];
}

GYRO_CLONES
static void round_kind(int kind, const Job *job, int64_t row, int64_t rows,
                       float weights[][tile_rows]) {
  switch (kind) {
    case kind_integers: round_tile(kind_integers, job, row, rows, weights); break;
    case kind_around_zero_point:
      round_tile(kind_around_zero_point, job, row, rows, weights);
      break;
    case kind_floats: round_tile(kind_floats, job, row, rows, weights); break;
    default: round_tile(kind_levels, job, row, rows, weights);
  }
}

static void tiles_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Job *job = context;
  const gyro_gptq_block *block = job->block;
  int kind = kind_of(block);
  _Alignas(64) float weights[GYRO_GPTQ_BLOCK][tile_rows];
  int64_t columns = job->last - job->begin;
  for (int64_t tile = begin; tile < end; tile++) {
    int64_t row = tile * tile_rows;
    int64_t rows = block->rows - row < tile_rows ? block->rows - row : tile_rows;
    float *source = block->weights + job->begin * block->rows + row;
    for (int64_t column = 0; column < columns; column++) {
      if (rows < tile_rows) memset(weights[column], 0, sizeof weights[column]);
      memcpy(weights[column], source + column * block->rows, (size_t)rows * sizeof(float));
    }
    round_kind(kind, job, row, rows, weights);
    for (int64_t column = 0; column < columns; column++)
      memcpy(source + column * block->rows, weights[column], (size_t)rows * sizeof(float));
  }
}

void gyro_gptq_columns(const gyro_gptq_block *block, int64_t first, int64_t begin, int64_t end,
                       int64_t last) {
  Job job = {block, first, begin, end, last};
  int64_t tiles = (block->rows + tile_rows - 1) / tile_rows;
  gyro_parallel_for(tiles, 1 + thread_elements / (tile_rows * (last - begin)), tiles_part, &job);
}

void gyro_reference_gptq_columns(const gyro_gptq_block *block, int64_t first, int64_t begin,
                                 int64_t end, int64_t last) {
  int kind = kind_of(block);
  const gyro_number_format *format = &block->quantizer->format;
  for (int64_t row = 0; row < block->rows; row++) {
    float loss = 0;
    for (int64_t column = begin; column < end; column++) {
      int64_t place = block->strips[column] * block->rows + row;
      float *value = block->weights + column * block->rows + row;
      float zero = block->zero_points ? block->zero_points[place] : 0;
      float quotient = *value / block->scales[place], whole = block->tensor_scale;
      float number = kind == kind_levels
                         ? format->levels[gyro_level_index(quotient, format->thresholds,
                                                           format->level_count)]
                         : number_of(kind, format, block->quantizer->span, quotient, zero);
      float scale = block->scales[place];
      float rounded = number * (whole == 1 ? scale : gyro_scale_part(scale, whole)) * whole;
      const float *factor = block->factor + column * block->inputs;
      float error = (*value - rounded) / factor[column];
      loss += error * error;
      *value = rounded;
      block->errors[(column - first) * block->rows + row] = error;
      for (int64_t other = column + 1; other < last; other++)
        block->weights[other * block->rows + row] -= error * factor[other];
    }
    block->losses[row] += loss;
  }
}
