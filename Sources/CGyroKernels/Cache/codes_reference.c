#include "code_rows.h"

// The packed products, number by number. Rows of up to 4096 coordinates.

enum { most_width = 4096 };

/// Score of one row: per group a sum in 16 lanes, the groups' sums times their scales, then the
/// tree (a single group's scale comes after the tree); the groups' offsets times the sums of the
/// query come last.
static float row_score(const gyro_code_rows *rows, int64_t head, int64_t t, const float *query) {
  const int64_t row = head * rows->capacity + t;
  const gyro_code_format f = rows->format;
  const int lanes = code_lanes(f), groups = f.width / rows->group;
  uint8_t codes[most_width];
  code_unpack_row(rows->codes + row * gyro_code_row_bytes(f), f, codes);
  float total[16] = {0}, offset = 0, single = 0;
  for (int g = 0; g < groups; g++) {
    float part[16] = {0}, sums[16] = {0};
    for (int i = g * rows->group; i < (g + 1) * rows->group; i++) {
      part[i % lanes] += query[i] * code_level(rows, codes[i]);
      sums[i % lanes] += query[i];
    }
    const float scale = code_scale(rows, (head * groups + g) * rows->capacity + t);
    if (groups == 1) {
      GYRO_TREE_SUM(single, part);
      single *= scale;
    }
    for (int lane = 0; lane < 16; lane++) total[lane] += part[lane] * scale;
    if (rows->offsets) {
      float sum;
      GYRO_TREE_SUM(sum, sums);
      offset += sum * half_to_float(rows->offsets[(head * groups + g) * rows->capacity + t]);
    }
  }
  float score = single;
  if (groups > 1) GYRO_TREE_SUM(score, total);
  return rows->offsets ? score + offset : score;
}

void gyro_reference_code_scores(const gyro_code_rows *rows, gyro_code_queries shape,
                                const float *queries, float *scores, int64_t score_stride,
                                int32_t accumulate) {
  const int64_t heads = rows->heads * shape.repeats;
  for (int64_t n = 0; n < shape.count * heads; n++) {
    const int64_t head = n % heads / shape.repeats;
    for (int64_t t = 0; t < rows->count; t++) {
      const float score = row_score(rows, head, rows->first + t, queries + n * rows->format.width);
      float *place = scores + n * score_stride + t;
      *place = accumulate ? *place + score : score;
    }
  }
}

/// Adds one row times its weight; what goes with offsets adds up in 16 lanes of rows.
static void add_row(const gyro_code_rows *rows, int64_t head, int64_t t, int lane, float weight,
                    float *sum, float (*offsets)[16]) {
  const gyro_code_format f = rows->format;
  const int groups = f.width / rows->group;
  uint8_t codes[most_width];
  code_unpack_row(rows->codes + (head * rows->capacity + t) * gyro_code_row_bytes(f), f, codes);
  for (int g = 0; g < groups; g++) {
    const int64_t place = (head * groups + g) * rows->capacity + t;
    const float factor = weight * code_scale(rows, place);
    for (int i = g * rows->group; i < (g + 1) * rows->group; i++)
      sum[i] += factor * code_level(rows, codes[i]);
    if (rows->offsets) offsets[g][lane] += weight * half_to_float(rows->offsets[place]);
  }
}

void gyro_reference_code_weighted(const gyro_code_rows *rows, gyro_code_queries shape,
                                  const float *weights, int64_t weight_stride, float *output,
                                  int32_t accumulate) {
  const int64_t heads = rows->heads * shape.repeats;
  const int width = rows->format.width;
  for (int64_t n = 0; n < shape.count * heads; n++) {
    float total[most_width] = {0};
    for (int64_t first = 0; first < rows->count; first += code_value_chunk) {
      float sum[most_width] = {0}, offsets[most_width / 8][16] = {{0}};
      for (int64_t t = first; t < rows->count && t < first + code_value_chunk; t++)
        add_row(rows, n % heads / shape.repeats, rows->first + t, (int)((t - first) % 16),
                weights[n * weight_stride + t], sum, offsets);
      for (int i = 0; i < width; i++) {
        float offset = 0;
        if (rows->offsets) GYRO_TREE_SUM(offset, offsets[i / rows->group]);
        total[i] += rows->offsets ? sum[i] + offset : sum[i];
      }
    }
    for (int i = 0; i < width; i++) {
      float *place = output + n * width + i;
      *place = accumulate ? *place + total[i] : total[i];
    }
  }
}
