#include "gyro_pooling.h"

#include <string.h>

#include "gyro_parallel.h"

#pragma STDC FP_CONTRACT OFF

typedef struct {
  const struct gyro_pooling *shape;
  const float *source;
  float *result;
  uint8_t *places;
  const uint8_t *known_places;
} Pool;

/// The part of a window that lies inside the plane.
typedef struct {
  int64_t row, column;          // of the window's corner; may be negative
  int64_t y0, y1, x0, x1;       // within the window
} Window;

static Window window_of(const struct gyro_pooling *s, int64_t v, int64_t u) {
  Window w = {.row = v * s->stride_y - s->padding_y, .column = u * s->stride_x - s->padding_x};
  w.y0 = w.row < 0 ? -w.row : 0;
  w.x0 = w.column < 0 ? -w.column : 0;
  w.y1 = w.row + s->size_y > s->height ? s->height - w.row : s->size_y;
  w.x1 = w.column + s->size_x > s->width ? s->width - w.column : s->size_x;
  return w;
}

static int64_t least_planes(const struct gyro_pooling *s) {
  return 1 + 16384 / (s->height * s->width + 1);
}

static void max_planes(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Pool *pool = context;
  const struct gyro_pooling *s = pool->shape;
  for (int64_t plane = begin; plane < end; plane++) {
    const float *source = pool->source + plane * s->height * s->width;
    int64_t out = plane * s->result_height * s->result_width;
    for (int64_t v = 0; v < s->result_height; v++)
      for (int64_t u = 0; u < s->result_width; u++, out++) {
        Window w = window_of(s, v, u);
        int64_t best = w.y0 * s->size_x + w.x0;
        float most = source[(w.row + w.y0) * s->width + w.column + w.x0];
        for (int64_t y = w.y0; y < w.y1; y++)
          for (int64_t x = w.x0; x < w.x1; x++) {
            float value = source[(w.row + y) * s->width + w.column + x];
            int wins = value > most || (value != value && most == most);
            most = wins ? value : most;
            best = wins ? y * s->size_x + x : best;
          }
        pool->result[out] = most;
        pool->places[out] = (uint8_t)best;
      }
  }
}

void gyro_max_pool(const struct gyro_pooling *shape, const float *source, float *result,
                   uint8_t *places) {
  Pool pool = {.shape = shape, .source = source, .result = result, .places = places};
  gyro_parallel_for(shape->planes, least_planes(shape), max_planes, &pool);
}

static void max_gradient_planes(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Pool *pool = context;
  const struct gyro_pooling *s = pool->shape;
  int64_t size = s->height * s->width;
  for (int64_t plane = begin; plane < end; plane++) {
    float *target = pool->result + plane * size;
    memset(target, 0, (size_t)size * sizeof(float));
    int64_t out = plane * s->result_height * s->result_width;
    for (int64_t v = 0; v < s->result_height; v++)
      for (int64_t u = 0; u < s->result_width; u++, out++) {
        int64_t place = pool->known_places[out];
        int64_t row = v * s->stride_y - s->padding_y + place / s->size_x;
        int64_t column = u * s->stride_x - s->padding_x + place % s->size_x;
        target[row * s->width + column] += pool->source[out];
      }
  }
}

void gyro_max_pool_gradient(const struct gyro_pooling *shape, const float *gradient,
                            const uint8_t *places, float *source_gradient) {
  Pool pool = {
      .shape = shape, .source = gradient, .result = source_gradient, .known_places = places};
  gyro_parallel_for(shape->planes, least_planes(shape), max_gradient_planes, &pool);
}

static void average_planes(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Pool *pool = context;
  const struct gyro_pooling *s = pool->shape;
  float factor = 1.0f / (float)(s->size_y * s->size_x);
  for (int64_t plane = begin; plane < end; plane++) {
    const float *source = pool->source + plane * s->height * s->width;
    float *result = pool->result + plane * s->result_height * s->result_width;
    for (int64_t v = 0; v < s->result_height; v++)
      for (int64_t u = 0; u < s->result_width; u++) {
        Window w = window_of(s, v, u);
        float sum = 0;
        for (int64_t y = w.y0; y < w.y1; y++)
          for (int64_t x = w.x0; x < w.x1; x++)
            sum += source[(w.row + y) * s->width + w.column + x];
        *result++ = sum * factor;
      }
  }
}

void gyro_average_pool(const struct gyro_pooling *shape, const float *source, float *result) {
  Pool pool = {.shape = shape, .source = source, .result = result};
  gyro_parallel_for(shape->planes, least_planes(shape), average_planes, &pool);
}

static void average_gradient_planes(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Pool *pool = context;
  const struct gyro_pooling *s = pool->shape;
  float factor = 1.0f / (float)(s->size_y * s->size_x);
  int64_t size = s->height * s->width;
  for (int64_t plane = begin; plane < end; plane++) {
    const float *source = pool->source + plane * s->result_height * s->result_width;
    float *target = pool->result + plane * size;
    memset(target, 0, (size_t)size * sizeof(float));
    for (int64_t v = 0; v < s->result_height; v++)
      for (int64_t u = 0; u < s->result_width; u++) {
        Window w = window_of(s, v, u);
        float share = *source++ * factor;
        for (int64_t y = w.y0; y < w.y1; y++)
          for (int64_t x = w.x0; x < w.x1; x++)
            target[(w.row + y) * s->width + w.column + x] += share;
      }
  }
}

void gyro_average_pool_gradient(const struct gyro_pooling *shape, const float *gradient,
                                float *source_gradient) {
  Pool pool = {.shape = shape, .source = gradient, .result = source_gradient};
  gyro_parallel_for(shape->planes, least_planes(shape), average_gradient_planes, &pool);
}

typedef struct {
  const float *source;
  float *result;
  int64_t columns;
  float factor;
} Rows;

static void mean_rows(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Rows *rows = context;
  for (int64_t row = begin; row < end; row++) {
    const float *source = rows->source + row * rows->columns;
    double sum = 0;
    for (int64_t i = 0; i < rows->columns; i++) sum += source[i];
    rows->result[row] = (float)(sum / (double)rows->columns);
  }
}

void gyro_row_means(const float *source, int64_t rows, int64_t columns, float *means) {
  Rows job = {.source = source, .result = means, .columns = columns};
  gyro_parallel_for(rows, 1 + 16384 / (columns + 1), mean_rows, &job);
}

static void spread_rows(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Rows *rows = context;
  for (int64_t row = begin; row < end; row++) {
    float value = rows->source[row] * rows->factor;
    float *target = rows->result + row * rows->columns;
    for (int64_t i = 0; i < rows->columns; i++) target[i] = value;
  }
}

void gyro_spread_rows(const float *values, float factor, int64_t rows, int64_t columns,
                      float *destination) {
  Rows job = {.source = values, .result = destination, .columns = columns, .factor = factor};
  gyro_parallel_for(rows, 1 + 16384 / (columns + 1), spread_rows, &job);
}
