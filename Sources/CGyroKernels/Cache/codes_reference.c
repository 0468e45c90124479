#include "code_rows.h"

// The packed products, number by number. Rows of up to 4096 coordinates.

enum { most_width = 4096 };

float code_reference_product(const gyro_code_rows *rows, const uint8_t *codes,
                             const float *query) {
  const int lanes = code_lanes(rows->format), share = code_share(rows->format.bits);
  float part[16];
  for (int lane = 0; lane < 16; lane++) {
    part[lane] = -0.0f;
    for (int first = lane; lane < lanes && first < rows->group; first += share * lanes) {
      float shared = -0.0f;
      for (int i = first; i < rows->group && i < first + share * lanes; i += lanes)
        shared += query[i] * code_level(rows, codes[i]);
      part[lane] += shared;
    }
  }
  float sum;
  GYRO_TREE_SUM(sum, part);
  return sum;
}

/// Score of one row: the groups' sums times their scales, first to last; the groups' offsets times
/// the sums of the query come last.
static float row_score(const gyro_code_rows *rows, int64_t head, int64_t t, const float *query) {
  const int64_t row = head * rows->capacity + t;
  const gyro_code_format f = rows->format;
  const int lanes = code_lanes(f), groups = f.width / rows->group;
  uint8_t codes[most_width];
  code_unpack_row(rows->codes + row * gyro_code_row_bytes(f), f, codes);
  float score = -0.0f, offset = 0;
  for (int g = 0; g < groups; g++) {
    const int64_t place = (head * groups + g) * rows->capacity + t;
    const float *part = query + g * rows->group;
    score += code_reference_product(rows, codes + g * rows->group, part) * code_scale(rows, place);
    if (!rows->offsets) continue;
    float sums[16] = {0}, sum;
    for (int i = 0; i < rows->group; i++) sums[i % lanes] += part[i];
    GYRO_TREE_SUM(sum, sums);
    offset += sum * half_to_float(rows->offsets[place]);
  }
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

/// Adds rows `t` ..< `t + count` times their weights, `code_rows_together` of them: their products
/// first. What goes with offsets adds up in 16 lanes of rows.
static void add_rows(const gyro_code_rows *rows, int64_t head, int64_t t, int64_t count, int lane,
                     const float *weights, float *sum, float (*offsets)[16]) {
  const gyro_code_format f = rows->format;
  const int groups = f.width / rows->group;
  float products[most_width];
  for (int i = 0; i < f.width; i++) products[i] = -0.0f;
  for (int64_t n = 0; n < count; n++) {
    uint8_t codes[most_width];
    code_unpack_row(rows->codes + (head * rows->capacity + t + n) * gyro_code_row_bytes(f), f,
                    codes);
    for (int g = 0; g < groups; g++) {
      const int64_t place = (head * groups + g) * rows->capacity + t + n;
      const float factor = weights[n] * code_scale(rows, place);
      for (int i = g * rows->group; i < (g + 1) * rows->group; i++)
        products[i] += factor * code_level(rows, codes[i]);
      if (rows->offsets) offsets[g][lane + n] += weights[n] * half_to_float(rows->offsets[place]);
    }
  }
  for (int i = 0; i < f.width; i++) sum[i] += products[i];
}

void gyro_reference_code_weighted(const gyro_code_rows *rows, gyro_code_queries shape,
                                  const float *weights, int64_t weight_stride, float *output,
                                  int32_t accumulate) {
  const int64_t heads = rows->heads * shape.repeats;
  const int width = rows->format.width, together = code_rows_together(rows->format.bits);
  for (int64_t n = 0; n < shape.count * heads; n++) {
    float total[most_width] = {0};
    for (int64_t first = 0; first < rows->count; first += code_value_chunk) {
      const int64_t rest = rows->count - first;
      const int64_t count = rest < code_value_chunk ? rest : code_value_chunk;
      float sum[most_width] = {0}, offsets[most_width / 8][16] = {{0}};
      for (int64_t t = 0; t < count; t += together)
        add_rows(rows, n % heads / shape.repeats, rows->first + first + t,
                 count - t < together ? count - t : together, (int)(t % 16),
                 weights + n * weight_stride + first + t, sum, offsets);
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
