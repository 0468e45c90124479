#include "cache_chunks.h"
#include "code_tables.h"
#include "gyro_clones.h"
#include "gyro_parallel.h"
#include "lookup.h"

#pragma STDC FP_CONTRACT OFF

#define SET(name) plain_##name
#define LOOKUP gyro_lookup_plain
#define GENERAL 1
#define TARGET
#include "codes_kernels.h"
#undef SET
#undef LOOKUP
#undef GENERAL
#undef TARGET

#if defined(__x86_64__)
#define SET(name) avx2_##name
#define LOOKUP gyro_lookup_avx2
#define GENERAL 1
#define TARGET GYRO_MIDDLE
#include "codes_kernels.h"
#undef SET
#undef LOOKUP
#undef GENERAL
#undef TARGET

#define SET(name) avx512_##name
#define LOOKUP gyro_lookup_avx512
#define GENERAL 0
#define TARGET GYRO_WIDE
#include "codes_kernels.h"
#undef SET
#undef LOOKUP
#undef GENERAL
#undef TARGET
#endif

typedef struct {
  const gyro_code_rows *rows;
  gyro_code_queries shape;
  const float *queries;  // or weights
  float *scores;         // or sums
  int64_t stride, chunks;
  const float *sums;  // of queries, per group
  int accumulate, variant;
} Job;

void code_score_chunk_on(int variant, const gyro_code_rows *rows, const uint8_t *packed,
                         int64_t count, const float *query, const float *scales, float *scores) {
#if defined(__x86_64__)
  const int64_t whole = code_rows_by_tables(variant, rows, count);
  if (whole > 0) {
    code_table_scores(rows, packed, whole, query, scales, scores);
    packed += whole * gyro_code_row_bytes(rows->format);
    count -= whole, scales += whole, scores += whole;
  }
  if (variant == gyro_variant_avx512) {
    avx512_score_chunk(rows, packed, count, query, scales, scores);
    return;
  }
  if (variant == gyro_variant_avx2) {
    avx2_score_chunk(rows, packed, count, query, scales, scores);
    return;
  }
#endif
  (void)variant;
  plain_score_chunk(rows, packed, count, query, scales, scores);
}

static const uint8_t *row_at(const gyro_code_rows *rows, int64_t head, int64_t t) {
  return rows->codes + (head * rows->capacity + t) * gyro_code_row_bytes(rows->format);
}

/// The scales, or offsets, of a chunk: [groups][pitch] floats.
static void read_groups(const Job *job, const uint16_t *halves, int64_t head, int64_t first,
                        int64_t count, int64_t pitch, float *values) {
  const gyro_code_rows *rows = job->rows;
  const int groups = rows->format.width / rows->group;
  for (int g = 0; g < groups; g++) {
    float *row = values + g * pitch;
    if (halves)
      cache_widen(job->variant, halves + (head * groups + g) * rows->capacity + first, count,
                  row);
    else
      for (int64_t t = 0; t < count; t++) row[t] = 1;
  }
}

static void score_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Job *job = context;
  const gyro_code_rows *rows = job->rows;
  const int groups = rows->format.width / rows->group;
  const int64_t repeats = job->shape.repeats, heads = rows->heads * repeats;
  float scales[code_most_groups * code_score_chunk], offsets[code_most_groups * code_score_chunk];
  for (int64_t item = begin; item < end; item++) {
    const int64_t head = item / job->chunks, first = item % job->chunks * code_score_chunk;
    const int64_t rest = rows->count - first;
    const int64_t count = rest < code_score_chunk ? rest : code_score_chunk;
    const uint8_t *packed = row_at(rows, head, rows->first + first);
    read_groups(job, rows->scales, head, rows->first + first, count, code_score_chunk, scales);
    if (rows->offsets)
      read_groups(job, rows->offsets, head, rows->first + first, count, code_score_chunk,
                  offsets);
    for (int64_t pair = 0; pair < job->shape.count * repeats; pair++) {
      const int64_t n = pair / repeats * heads + head * repeats + pair % repeats;
      const float *query = job->queries + n * rows->format.width;
      float scores[code_score_chunk], parts[code_score_chunk];
      code_score_chunk_on(job->variant, rows, packed, count, query, scales, scores);
      if (rows->offsets) {
        for (int64_t t = 0; t < count; t++) parts[t] = 0;
        for (int g = 0; g < groups; g++)
          cache_add_multiple(job->sums[n * groups + g], offsets + g * code_score_chunk, count,
                             parts);
        cache_add(parts, count, scores);
      }
      float *place = job->scores + n * job->stride + first;
      if (job->accumulate)
        cache_add(scores, count, place);
      else
        memcpy(place, scores, (size_t)count * sizeof(float));
    }
  }
}

/// Sums of a query over each group, in 16 lanes and a tree.
static void sum_groups(const gyro_code_rows *rows, int64_t count, const float *queries,
                       float *sums) {
  const int groups = rows->format.width / rows->group;
  for (int64_t place = 0; place < count * groups; place++) {
    gyro_lanes lanes = {0}, x;
    for (int i = 0; i < rows->group; i += 16) {
      GYRO_LOAD(x, queries + place * rows->group + i);
      lanes += x;
    }
    GYRO_TREE_SUM(sums[place], lanes);
  }
}

void gyro_code_scores(const gyro_code_rows *rows, gyro_code_queries shape, const float *queries,
                      float *scores, int64_t score_stride, int32_t accumulate) {
  if (rows->count <= 0) return;
  if (!code_is_regular(rows)) {
    gyro_reference_code_scores(rows, shape, queries, scores, score_stride, accumulate);
    return;
  }
  static const float ones[16];
  gyro_code_rows regular = *rows;
  if (!regular.levels) regular.levels = ones;
  const int64_t vectors = shape.count * shape.repeats * rows->heads;
  const int64_t groups = rows->format.width / rows->group;
  float few[256], *sums = few;
  if (rows->offsets && vectors * groups > 256)
    sums = __builtin_malloc((size_t)(vectors * groups) * sizeof(float));
  if (rows->offsets) sum_groups(rows, vectors, queries, sums);
  const int64_t chunks = (rows->count + code_score_chunk - 1) / code_score_chunk;
  Job job = {&regular, shape, queries, scores, score_stride, chunks, sums, accumulate,
             chosen_variant(rows->variant)};
  const int64_t least = 1 + 4 / (shape.count * shape.repeats);
  gyro_parallel_for(rows->heads * chunks, least, score_part, &job);
  if (sums != few) __builtin_free(sums);
}

static void weigh_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Job *job = context;
  const gyro_code_rows *rows = job->rows;
  const int width = rows->format.width, groups = width / rows->group;
  const int64_t repeats = job->shape.repeats, heads = rows->heads * repeats;
  float scales[code_most_groups * code_value_chunk], offsets[code_most_groups * code_value_chunk];
  float factors[code_most_groups * code_value_chunk];
  for (int64_t item = begin; item < end; item++) {
    const int64_t head = item / job->chunks, chunk = item % job->chunks;
    const int64_t first = chunk * code_value_chunk, rest = rows->count - first;
    const int64_t count = rest < code_value_chunk ? rest : code_value_chunk;
    const uint8_t *packed = row_at(rows, head, rows->first + first);
    read_groups(job, rows->scales, head, rows->first + first, count, code_value_chunk, scales);
    if (rows->offsets)
      read_groups(job, rows->offsets, head, rows->first + first, count, code_value_chunk,
                  offsets);
    for (int64_t pair = 0; pair < job->shape.count * repeats; pair++) {
      const int64_t n = pair / repeats * heads + head * repeats + pair % repeats;
      const float *weights = job->queries + n * job->stride + first;
      float *sums = job->scores + (n * job->chunks + chunk) * width;
      for (int g = 0; g < groups; g++)
        cache_multiply(weights, scales + g * code_value_chunk, count,
                       factors + g * code_value_chunk);
#if defined(__x86_64__)
      if (job->variant == gyro_variant_avx512)
        avx512_add_chunk(rows, packed, count, factors, sums);
      else if (job->variant == gyro_variant_avx2)
        avx2_add_chunk(rows, packed, count, factors, sums);
      else
#endif
        plain_add_chunk(rows, packed, count, factors, sums);
      for (int g = 0; rows->offsets && g < groups; g++) {
        const float offset = cache_dot(weights, offsets + g * code_value_chunk, count);
        for (int i = g * rows->group; i < (g + 1) * rows->group; i++) sums[i] += offset;
      }
    }
  }
}

int64_t gyro_code_scratch(const gyro_code_rows *rows, gyro_code_queries shape) {
  const int64_t chunks = (rows->count + code_value_chunk - 1) / code_value_chunk;
  return shape.count * shape.repeats * rows->heads * chunks * rows->format.width;
}

void gyro_code_weighted(const gyro_code_rows *rows, gyro_code_queries shape, const float *weights,
                        int64_t weight_stride, float *output, int32_t accumulate, float *scratch) {
  if (!code_is_regular(rows)) {
    gyro_reference_code_weighted(rows, shape, weights, weight_stride, output, accumulate);
    return;
  }
  static const float ones[16];
  gyro_code_rows regular = *rows;
  if (!regular.levels) regular.levels = ones;
  const int64_t chunks = (rows->count + code_value_chunk - 1) / code_value_chunk;
  Job job = {.rows = &regular, .shape = shape, .queries = weights, .scores = scratch,
             .stride = weight_stride, .chunks = chunks, .variant = chosen_variant(rows->variant)};
  gyro_parallel_for(rows->heads * chunks, 1 + 2 / (shape.count * shape.repeats), weigh_part, &job);
  const int64_t width = rows->format.width;
  for (int64_t n = 0; n < shape.count * shape.repeats * rows->heads; n++) {
    float total[4096] = {0};
    for (int64_t chunk = 0; chunk < chunks; chunk++)
      cache_add(scratch + (n * chunks + chunk) * width, width, total);
    if (accumulate)
      cache_add(total, width, output + n * width);
    else
      memcpy(output + n * width, total, (size_t)width * sizeof(float));
  }
}
