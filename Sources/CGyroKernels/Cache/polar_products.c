#include "gyro_clones.h"
#include "gyro_parallel.h"
#include "lookup.h"

#pragma STDC FP_CONTRACT OFF

#define SET(name) plain_##name
#define LOOKUP gyro_lookup_plain
#define TARGET
#include "polar_kernels.h"
#undef SET
#undef LOOKUP
#undef TARGET

#if defined(__x86_64__)
#define SET(name) avx2_##name
#define LOOKUP gyro_lookup_avx2
#define TARGET GYRO_MIDDLE
#include "polar_kernels.h"
#undef SET
#undef LOOKUP
#undef TARGET

#define SET(name) avx512_##name
#define LOOKUP gyro_lookup_avx512
#define TARGET GYRO_WIDE
#include "polar_kernels.h"
#undef SET
#undef LOOKUP
#undef TARGET
#endif

typedef struct {
  const gyro_polar_rows *rows;
  polar_layout layout;
  gyro_code_queries shape;
  const float *queries;  // laid out in lanes; or weights
  float *scores;         // or sums
  int64_t stride, chunks, units;
  float top[16];
  int variant;
} Job;

static void prepare(Job *job, const gyro_polar_rows *rows, int64_t chunk) {
  job->rows = rows;
  job->layout = polar_layout_of(rows->format);
  job->units = gyro_polar_units(rows->format, rows->count);
  job->chunks = (job->units + chunk - 1) / chunk;
  job->variant = chosen_variant(rows->variant);
  for (int i = 0; i < 8; i++) {
    job->top[i] = rows->tables->cosines[3][i];
    job->top[8 + i] = rows->tables->sines[3][i];
  }
}

/// Units between one and the next of the same part of a token.
static int64_t step_of(const polar_layout *l) {
  return l->tokens_per_unit > 1 ? 1 : l->units_per_token;
}

/// Where coordinate i of a token lies in a laid-out query, in the unit's first token.
static int64_t place_of(int64_t i) {
  const int64_t block = i / 16, pair = i % 16 / 2;
  return block / 8 * 128 + pair % 4 * 32 + i % 2 * 16 + block % 8 + pair / 4 * 8;
}

static void lay_out(const polar_layout *l, const float *query, float *lanes) {
  memset(lanes, 0, (size_t)l->units_per_token * 128 * sizeof(float));
  for (int64_t token = 0; token < l->tokens_per_unit; token++)
    for (int64_t i = 0; i < 16 * l->blocks; i++)
      lanes[place_of(i) + token * l->blocks] = query[i];
}

GYRO_CLONES
static void read_halves(const uint16_t *halves, int64_t count, float *values) {
  for (int64_t i = 0; i < count; i++) values[i] = half_to_float(halves[i]);
}

static void score_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Job *job = context;
  const gyro_polar_rows *rows = job->rows;
  const polar_layout *l = &job->layout;
  const int64_t bytes = gyro_polar_unit_bytes(rows->format), repeats = job->shape.repeats;
  const int64_t heads = rows->heads * repeats, step = step_of(l);
  float sums[polar_score_chunk * 8], radii[(polar_score_chunk + 1) * 8];
  for (int64_t item = begin; item < end; item++) {
    const int64_t head = item / job->chunks;
    // A chunk holds whole tokens.
    const int64_t size = polar_score_chunk / step * step;
    const int64_t first = item % job->chunks * size;
    const int64_t count = job->units - first < size ? job->units - first : size;
    if (count <= 0) continue;
    const uint8_t *unit = rows->codes + (head * rows->units + first) * bytes;
    read_halves(rows->radii + (head * rows->units + first) * 8, count * 8, radii);
    memset(radii + count * 8, 0, 32);
    for (int64_t pair = 0; pair < job->shape.count * repeats; pair++) {
      const int64_t n = pair / repeats * heads + head * repeats + pair % repeats;
      const float *query = job->queries + n * l->units_per_token * 128;
      const int blocks = l->tokens_per_unit > 1 ? l->blocks : 8;
#if defined(__x86_64__)
      if (job->variant == gyro_variant_avx512)
        avx512_score_chunk(rows, job->top, unit, radii, count, query, step, blocks, sums);
      else if (job->variant == gyro_variant_avx2)
        avx2_score_chunk(rows, job->top, unit, radii, count, query, step, blocks, sums);
      else
#endif
        plain_score_chunk(rows, job->top, unit, radii, count, query, step, blocks, sums);
      float *scores = job->scores + n * job->stride;
      if (l->tokens_per_unit > 1) {
        const int64_t start = first * l->tokens_per_unit;
        const int64_t rest = rows->count - start, all = count * l->tokens_per_unit;
        for (int64_t t = 0; t < (rest < all ? rest : all); t++)
          scores[start + t] = sums[t * l->blocks];
      } else {
        for (int64_t t = 0; t < count / step; t++) {
          float sum = sums[t * step * 8];
          for (int64_t u = 1; u < step; u++) sum += sums[(t * step + u) * 8];
          scores[first / step + t] = sum;
        }
      }
    }
  }
}

void gyro_polar_scores(const gyro_polar_rows *rows, gyro_code_queries shape, const float *queries,
                       float *scores, int64_t score_stride) {
  if (rows->count <= 0) return;
  Job job = {.shape = shape, .scores = scores, .stride = score_stride};
  prepare(&job, rows, polar_score_chunk);
  const int64_t step = step_of(&job.layout), size = polar_score_chunk / step * step;
  job.chunks = (job.units + size - 1) / size;
  const int64_t vectors = shape.count * shape.repeats * rows->heads;
  const int64_t width = (int64_t)job.layout.units_per_token * 128;
  float *lanes = __builtin_malloc((size_t)(vectors * width) * sizeof(float));
  for (int64_t n = 0; n < vectors; n++)
    lay_out(&job.layout, queries + n * rows->format.head_size, lanes + n * width);
  job.queries = lanes;
  gyro_parallel_for(rows->heads * job.chunks, 1 + 4 / (shape.count * shape.repeats), score_part,
                    &job);
  __builtin_free(lanes);
}

GYRO_CLONES
static void weigh_radii(const polar_layout *l, const uint16_t *radii, int64_t first, int64_t count,
                        const float *weights, int64_t tokens, float *factors) {
  if (l->tokens_per_unit == 1) {
    for (int64_t u = 0; u < count; u++) {
      const float weight = weights[(first + u) / l->units_per_token];
      for (int b = 0; b < 8; b++) factors[8 * u + b] = weight * half_to_float(radii[8 * u + b]);
    }
    return;
  }
  const int64_t start = first * l->tokens_per_unit;
  const int64_t rest = tokens - start, all = count * l->tokens_per_unit;
  for (int64_t i = 0; i < count * 8; i++) factors[i] = half_to_float(radii[i]);
  for (int64_t t = 0; t < all; t++) {
    const float weight = t < rest ? weights[start + t] : 0;
    for (int b = 0; b < l->blocks; b++) factors[t * l->blocks + b] *= weight;
  }
}

static void weigh_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Job *job = context;
  const gyro_polar_rows *rows = job->rows;
  const polar_layout *l = &job->layout;
  const int64_t bytes = gyro_polar_unit_bytes(rows->format), repeats = job->shape.repeats;
  const int64_t heads = rows->heads * repeats, step = step_of(l), size = rows->format.head_size;
  float factors[polar_value_chunk * 8], sums[128];
  for (int64_t item = begin; item < end; item++) {
    const int64_t head = item / job->chunks, chunk = item % job->chunks;
    const int64_t whole = polar_value_chunk / step * step, first = chunk * whole;
    const int64_t count = job->units - first < whole ? job->units - first : whole;
    const uint8_t *unit = rows->codes + (head * rows->units + first) * bytes;
    const uint16_t *radii = rows->radii + (head * rows->units + first) * 8;
    for (int64_t pair = 0; pair < job->shape.count * repeats; pair++) {
      const int64_t n = pair / repeats * heads + head * repeats + pair % repeats;
      weigh_radii(l, radii, first, count, job->queries + n * job->stride, rows->count, factors);
      float *result = job->scores + (n * job->chunks + chunk) * size;
      for (int64_t part = 0; part < step; part++) {
#if defined(__x86_64__)
        if (job->variant == gyro_variant_avx512)
          avx512_add_chunk(rows, job->top, unit + part * bytes, count - part, step,
                           factors + 8 * part, sums);
        else if (job->variant == gyro_variant_avx2)
          avx2_add_chunk(rows, job->top, unit + part * bytes, count - part, step,
                         factors + 8 * part, sums);
        else
#endif
          plain_add_chunk(rows, job->top, unit + part * bytes, count - part, step,
                          factors + 8 * part, sums);
        for (int64_t i = part * 128; i < size && i < (part + 1) * 128; i++) {
          float sum = 0;
          for (int64_t token = 0; token < l->tokens_per_unit; token++)
            sum += sums[place_of(i) - part * 128 + token * l->blocks];
          result[i] = sum;
        }
      }
    }
  }
}

static int64_t value_chunks(const gyro_polar_rows *rows) {
  const polar_layout l = polar_layout_of(rows->format);
  const int64_t size = polar_value_chunk / step_of(&l) * step_of(&l);
  return (gyro_polar_units(rows->format, rows->count) + size - 1) / size;
}

int64_t gyro_polar_scratch(const gyro_polar_rows *rows, gyro_code_queries shape) {
  return shape.count * shape.repeats * rows->heads * value_chunks(rows) * rows->format.head_size;
}

void gyro_polar_weighted(const gyro_polar_rows *rows, gyro_code_queries shape,
                         const float *weights, int64_t weight_stride, float *output,
                         float *scratch) {
  Job job = {.shape = shape, .queries = weights, .scores = scratch, .stride = weight_stride};
  prepare(&job, rows, polar_value_chunk);
  job.chunks = value_chunks(rows);
  gyro_parallel_for(rows->heads * job.chunks, 1 + 2 / (shape.count * shape.repeats), weigh_part,
                    &job);
  const int64_t size = rows->format.head_size;
  for (int64_t n = 0; n < shape.count * shape.repeats * rows->heads; n++)
    for (int64_t i = 0; i < size; i++) {
      float sum = 0;
      for (int64_t chunk = 0; chunk < job.chunks; chunk++)
        sum += scratch[(n * job.chunks + chunk) * size + i];
      output[n * size + i] = sum;
    }
}
