#include "polar_layout.h"

#pragma STDC FP_CONTRACT OFF

// The products of polar blocks, block by block.

typedef struct {
  float cosines[15], sines[15], radius;
} Block;

static void read_block(const gyro_polar_rows *rows, int64_t head, int64_t token, int block,
                       Block *result) {
  const polar_layout l = polar_layout_of(rows->format);
  const polar_spot at = polar_spot_of(rows, &l, head, token, block);
  uint8_t codes[15];
  polar_block_codes(rows->codes + at.unit * gyro_polar_unit_bytes(rows->format), &rows->format, &l,
                    at.place, codes);
  for (int i = 0; i < 15; i++) {
    const int level = i < 8 ? 0 : i < 12 ? 1 : i < 14 ? 2 : 3;
    result->cosines[i] = rows->tables->cosines[level][codes[i]];
    result->sines[i] = rows->tables->sines[level][codes[i]];
  }
  result->radius = half_to_float(rows->radii[at.unit * 8 + at.place]);
}

/// ⟨query, block⟩: the levels fold the query as they fold the block.
static float block_score(const Block *block, const float *query) {
  float x[16];
  memcpy(x, query, 64);
  for (int count = 8, angle = 0; count > 0; angle += count, count /= 2)
    for (int i = 0; i < count; i++)
      x[i] = x[2 * i] * block->cosines[angle + i] + x[2 * i + 1] * block->sines[angle + i];
  return x[0] * block->radius;
}

/// The blocks of a unit as a tree, units one after the other.
static float token_score(const gyro_polar_rows *rows, int64_t head, int64_t token,
                         const float *query) {
  const int blocks = rows->format.head_size / 16;
  float score = 0;
  for (int first = 0; first < blocks; first += 8) {
    float sums[8] = {0};
    for (int b = 0; b < 8 && first + b < blocks; b++) {
      Block block;
      read_block(rows, head, token, first + b, &block);
      sums[b] = block_score(&block, query + 16 * (first + b));
    }
    const int width = 8 % blocks == 0 ? blocks : 8;
    for (int half = width / 2; half > 0; half /= 2)
      for (int b = 0; b < half; b++) sums[b] += sums[b + half];
    score = first == 0 ? sums[0] : score + sums[0];
  }
  return score;
}

void gyro_reference_polar_scores(const gyro_polar_rows *rows, gyro_code_queries shape,
                                 const float *queries, float *scores, int64_t score_stride) {
  const int64_t heads = rows->heads * shape.repeats;
  for (int64_t n = 0; n < shape.count * heads; n++)
    for (int64_t t = 0; t < rows->count; t++)
      scores[n * score_stride + t] = token_score(rows, n % heads / shape.repeats, t,
                                                 queries + n * rows->format.head_size);
}

/// Adds a block times its weight.
static void add_block(const Block *block, float weight, float *sum) {
  float x[16] = {weight * block->radius};
  for (int count = 1, angle = 14; count <= 8; count *= 2) {
    for (int i = count - 1; i >= 0; i--) {
      const float r = x[i];
      x[2 * i] = r * block->cosines[angle + i];
      x[2 * i + 1] = r * block->sines[angle + i];
    }
    angle -= 2 * count;
  }
  for (int i = 0; i < 16; i++) sum[i] += x[i];
}

void gyro_reference_polar_weighted(const gyro_polar_rows *rows, gyro_code_queries shape,
                                   const float *weights, int64_t weight_stride, float *output) {
  const polar_layout l = polar_layout_of(rows->format);
  const int64_t heads = rows->heads * shape.repeats, size = rows->format.head_size;
  const int64_t chunk = l.tokens_per_unit > 1 ? polar_value_chunk * l.tokens_per_unit
                                              : polar_value_chunk / l.units_per_token;
  for (int64_t n = 0; n < shape.count * heads; n++)
    for (int block = 0; block < l.blocks; block++) {
      float total[16] = {0};
      for (int64_t first = 0; first < rows->count; first += chunk) {
        float sum[8][16] = {{0}};  // by place of the token in its unit
        for (int64_t t = first; t < rows->count && t < first + chunk; t++) {
          Block read;
          read_block(rows, n % heads / shape.repeats, t, block, &read);
          add_block(&read, weights[n * weight_stride + t], sum[t % l.tokens_per_unit]);
        }
        for (int i = 0; i < 16; i++) {
          float all = 0;
          for (int place = 0; place < l.tokens_per_unit; place++) all += sum[place][i];
          total[i] += all;
        }
      }
      memcpy(output + n * size + 16 * block, total, 64);
    }
}
