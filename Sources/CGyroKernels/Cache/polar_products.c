#include "cache_chunks.h"
#include "gyro_clones.h"
#include "gyro_parallel.h"
#include "lookup.h"
#include "polar_tables.h"

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

/// Sums of `count` units, [count][8], in the first lane of each token's blocks.
static void score_chunk(const Job *job, const uint8_t *unit, const float *radii, int64_t count,
                        const float *query, float *sums) {
  const gyro_polar_rows *rows = job->rows;
  const int64_t step = step_of(&job->layout);
  const int blocks = job->layout.tokens_per_unit > 1 ? job->layout.blocks : 8;
#if defined(__x86_64__)
  if (job->variant == gyro_variant_avx512) {
    avx512_score_chunk(rows, job->top, unit, radii, count, query, step, blocks, sums);
    return;
  }
  if (job->variant == gyro_variant_avx2) {
    avx2_score_chunk(rows, job->top, unit, radii, count, query, step, blocks, sums);
    return;
  }
#endif
  plain_score_chunk(rows, job->top, unit, radii, count, query, step, blocks, sums);
}

/// Scores of the tokens in `count` units from number `first` on, for heads that take one at most.
static void score_short_tokens(const Job *job, const uint8_t *unit, const float *radii,
                               int64_t first, int64_t count, const float *query, float *scores) {
  const int64_t tokens = job->layout.tokens_per_unit, start = first * tokens;
  const int64_t rest = job->rows->count - start;
  const int64_t pitch = 8 / tokens;  // of tokens in a unit's sums
  // Units in use throughout.
  const int64_t full = rest / tokens < count ? rest / tokens : count;
  const int64_t whole = polar_has_tables(job->variant, job->rows) ? full / 16 * 16 : 0;
  float sums[polar_score_chunk * 8];
  if (whole > 0) polar_table_scores(job->rows, unit, radii, whole, query, scores + start);
  score_chunk(job, unit + whole * gyro_polar_unit_bytes(job->rows->format), radii + whole * 8,
              count - whole, query, sums);
  for (int64_t t = whole * tokens; t < (rest < count * tokens ? rest : count * tokens); t++)
    scores[start + t] = sums[(t - whole * tokens) * pitch];
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
    cache_widen(job->variant, rows->radii + (head * rows->units + first) * 8, count * 8, radii);
    memset(radii + count * 8, 0, 32);
    for (int64_t pair = 0; pair < job->shape.count * repeats; pair++) {
      const int64_t n = pair / repeats * heads + head * repeats + pair % repeats;
      const float *query = job->queries + n * l->units_per_token * 128;
      float *scores = job->scores + n * job->stride;
      if (step == 1) {
        score_short_tokens(job, unit, radii, first, count, query, scores);
        continue;
      }
      score_chunk(job, unit, radii, count, query, sums);
      for (int64_t t = 0; t < count / step; t++) {
        float sum = sums[t * step * 8];
        for (int64_t u = 1; u < step; u++) sum += sums[(t * step + u) * 8];
        scores[first / step + t] = sum;
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

/// Radii of `count` tokens of so many blocks times their weights.
GYRO_INLINE void weigh_tokens(const int blocks, int64_t count, const float *restrict weights,
                              const float *restrict radii, float *restrict factors) {
  for (int64_t t = 0; t < count; t++)
    for (int b = 0; b < blocks; b++) factors[blocks * t + b] = weights[t] * radii[blocks * t + b];
}

/// Radii times the weights of their tokens; blocks of tokens that are not there weigh nothing.
GYRO_CLONES
static void weigh_radii(const polar_layout *l, int64_t first, int64_t count, const float *weights,
                        int64_t tokens, const float *radii, float *factors) {
  const int64_t start = first * l->tokens_per_unit / l->units_per_token;
  const int64_t all = count * l->tokens_per_unit;
  if (l->tokens_per_unit == 1) {
    const int pitch = 8 * l->units_per_token;
    if (pitch == 8)
      weigh_tokens(8, count, weights + start, radii, factors);
    else
      weigh_tokens(pitch, count / l->units_per_token, weights + start, radii, factors);
    return;
  }
  const int64_t used = tokens - start < all ? tokens - start : all;
  if (l->blocks == 4) weigh_tokens(4, used, weights + start, radii, factors);
  if (l->blocks == 2) weigh_tokens(2, used, weights + start, radii, factors);
  if (l->blocks == 1) weigh_tokens(1, used, weights + start, radii, factors);
  for (int64_t i = used * l->blocks; i < 8 * count; i++) factors[i] = 0;
}

/// Sums of every step-th of `count` units.
static void add_chunk(const Job *job, const uint8_t *unit, int64_t count, const float *factors,
                      float *sums) {
  const gyro_polar_rows *rows = job->rows;
  const int64_t step = step_of(&job->layout);
#if defined(__x86_64__)
  if (polar_has_tables(job->variant, rows)) {
    polar_plane_sums(rows, unit, count, step, factors, sums);
    return;
  }
  if (job->variant == gyro_variant_avx512) {
    avx512_add_chunk(rows, job->top, unit, count, step, factors, sums);
    return;
  }
  if (job->variant == gyro_variant_avx2) {
    avx2_add_chunk(rows, job->top, unit, count, step, factors, sums);
    return;
  }
#endif
  plain_add_chunk(rows, job->top, unit, count, step, factors, sums);
}

static void weigh_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Job *job = context;
  const gyro_polar_rows *rows = job->rows;
  const polar_layout *l = &job->layout;
  const int64_t bytes = gyro_polar_unit_bytes(rows->format), repeats = job->shape.repeats;
  const int64_t heads = rows->heads * repeats, step = step_of(l), size = rows->format.head_size;
  float radii[polar_value_chunk * 8], factors[polar_value_chunk * 8], sums[128];
  for (int64_t item = begin; item < end; item++) {
    const int64_t head = item / job->chunks, chunk = item % job->chunks;
    const int64_t whole = polar_value_chunk / step * step, first = chunk * whole;
    const int64_t count = job->units - first < whole ? job->units - first : whole;
    const uint8_t *unit = rows->codes + (head * rows->units + first) * bytes;
    cache_widen(job->variant, rows->radii + (head * rows->units + first) * 8, count * 8, radii);
    for (int64_t pair = 0; pair < job->shape.count * repeats; pair++) {
      const int64_t n = pair / repeats * heads + head * repeats + pair % repeats;
      weigh_radii(l, first, count, job->queries + n * job->stride, rows->count, radii, factors);
      float *result = job->scores + (n * job->chunks + chunk) * size;
      for (int64_t part = 0; part < step; part++) {
        add_chunk(job, unit + part * bytes, count - part, factors + 8 * part, sums);
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
