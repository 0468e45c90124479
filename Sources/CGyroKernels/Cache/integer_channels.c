#include "cache_chunks.h"
#include "code_rows.h"
#include "gyro_cache_integer.h"
#include "gyro_clones.h"
#include "gyro_parallel.h"
#include "lookup.h"

#pragma STDC FP_CONTRACT OFF

enum { most_width = 4096 };

typedef struct {
  const gyro_code_rows *rows;
  const uint16_t *scales, *offsets;
  int64_t groups, tokens;
  gyro_code_queries shape;
  const float *queries;
  float *scores;
  int64_t stride;
  int variant;
} Job;

static void score_part(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Job *job = context;
  const gyro_code_rows *rows = job->rows;
  const int64_t width = rows->format.width, repeats = job->shape.repeats;
  const int64_t heads = rows->heads * repeats, used = rows->count / job->tokens;
  float ones[code_score_chunk], numbers[most_width], scaled[most_width];
  for (int i = 0; i < code_score_chunk; i++) ones[i] = 1;
  for (int64_t item = begin; item < end; item++) {
    const int64_t head = item / used, group = item % used, first = group * job->tokens;
    const int64_t place = (head * job->groups + group) * width;
    const uint8_t *packed =
        rows->codes + (head * rows->capacity + first) * gyro_code_row_bytes(rows->format);
    for (int64_t pair = 0; pair < job->shape.count * repeats; pair++) {
      const int64_t n = pair / repeats * heads + head * repeats + pair % repeats;
      const float *query = job->queries + n * width;
      float offset = 0;
      if (job->offsets) {
        cache_widen(job->variant, job->offsets + place, width, numbers);
        offset = cache_dot(query, numbers, width);
      }
      cache_widen(job->variant, job->scales + place, width, numbers);
      cache_multiply(query, numbers, width, scaled);
      float parts[code_score_chunk], *scores = job->scores + n * job->stride + first;
      code_score_chunk_on(job->variant, rows, packed, job->tokens, scaled, ones, parts);
      for (int64_t t = 0; t < job->tokens; t++)
        scores[t] = job->offsets ? parts[t] + offset : parts[t];
    }
  }
}

void gyro_integer_channel_scores(const gyro_code_rows *rows, const uint16_t *scales,
                                 const uint16_t *offsets, int64_t groups, int64_t tokens,
                                 gyro_code_queries shape, const float *queries, float *scores,
                                 int64_t score_stride) {
  if (rows->count <= 0) return;
  if (!code_is_regular(rows)) {
    gyro_reference_integer_channel_scores(rows, scales, offsets, groups, tokens, shape, queries,
                                          scores, score_stride);
    return;
  }
  static const float zeros[16];
  gyro_code_rows regular = *rows;
  if (!regular.levels) regular.levels = zeros;
  Job job = {&regular, scales, offsets, groups, tokens, shape, queries, scores, score_stride,
             chosen_variant(rows->variant)};
  gyro_parallel_for(rows->heads * (rows->count / tokens),
                    1 + 1024 / (tokens * shape.count * shape.repeats), score_part, &job);
}

void gyro_reference_integer_channel_scores(const gyro_code_rows *rows, const uint16_t *scales,
                                           const uint16_t *offsets, int64_t groups,
                                           int64_t tokens, gyro_code_queries shape,
                                           const float *queries, float *scores,
                                           int64_t score_stride) {
  const int64_t width = rows->format.width, heads = rows->heads * shape.repeats;
  for (int64_t n = 0; n < shape.count * heads; n++)
    for (int64_t t = 0; t < rows->count; t++) {
      const int64_t head = n % heads / shape.repeats;
      const int64_t place = (head * groups + t / tokens) * width;
      const float *query = queries + n * width;
      uint8_t codes[most_width];
      code_unpack_row(
          rows->codes + (head * rows->capacity + t) * gyro_code_row_bytes(rows->format),
          rows->format, codes);
      float scaled[most_width], offset[16] = {0}, rest;
      for (int64_t i = 0; i < width; i++) {
        scaled[i] = query[i] * half_to_float(scales[place + i]);
        if (offsets) offset[i % 16] += query[i] * half_to_float(offsets[place + i]);
      }
      const float score = code_reference_product(rows, codes, scaled);
      GYRO_TREE_SUM(rest, offset);
      scores[n * score_stride + t] = offsets ? score + rest : score;
    }
}
