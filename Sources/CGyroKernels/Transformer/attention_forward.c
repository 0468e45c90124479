#include <float.h>
#include <math.h>

#include "attention_block.h"
#include "gyro_clones.h"

#pragma STDC FP_CONTRACT OFF

#include "attention_weight.h"

typedef struct {
  gyro_attention shape;
  const float *queries, *keys, *values;
  float *output, *log_sums, *scratch;
} Forward;

/// What one thread works in.
typedef struct {
  float *transposed_keys, *values, *scores, *output, *largest, *shrink, *sums;
} Work;

/// With so few queries for each key, turning the keys around costs more than it saves.
static int is_short(const gyro_attention *s) {
  return s->queries * (s->query_heads / s->key_heads) < 8;
}

static int64_t key_blocks(const gyro_attention *s) {
  return (s->keys + gyro_key_block - 1) / gyro_key_block;
}

/// Cuts a thread's scratch memory into parts; returns its size.
static int64_t divide(const gyro_attention *s, float *memory, Work *work) {
  const int64_t padded = gyro_product_padded(s->head_size);
  const int64_t sizes[] = {
      is_short(s) ? 0 : key_blocks(s) * gyro_key_block * s->head_size,
      is_short(s) && padded == s->head_size ? 0 : s->keys * padded,
      gyro_query_block * gyro_key_block,
      gyro_query_block * padded,
      gyro_query_block,
      gyro_query_block,
      gyro_query_block,
  };
  float **parts[] = {&work->transposed_keys, &work->values, &work->scores,
                     &work->output,          &work->largest,       &work->shrink,
                     &work->sums};
  int64_t place = 0;
  for (int part = 0; part < 7; part++) {
    *parts[part] = memory && sizes[part] ? memory + place : NULL;
    place += gyro_product_padded(sizes[part]);
  }
  return place;
}

int64_t gyro_attention_forward_scratch(const gyro_attention *attention) {
  Work work;
  return divide(attention, NULL, &work);
}

/// Scores of a few queries, straight from rows of keys.
GYRO_CLONES
static void dot_scores(const float *queries, int64_t query_stride, int64_t rows, const float *keys,
                       int64_t key_stride, int64_t count, int64_t size, float *scores) {
  for (int64_t row = 0; row < rows; row++)
    for (int64_t key = 0; key < count; key++) {
      const float *q = queries + row * query_stride, *k = keys + key * key_stride;
      gyro_lanes sum = {0};
      int64_t i = 0;
      for (; i + gyro_lane_count <= size; i += gyro_lane_count) {
        gyro_lanes a, b;
        GYRO_LOAD(a, q + i);
        GYRO_LOAD(b, k + i);
        sum += a * b;
      }
      float total;
      GYRO_TREE_SUM(total, sum);
      for (; i < size; i++) total += q[i] * k[i];
      scores[row * gyro_key_block + key] = total;
    }
}

/// x combined with itself so that lane 0 holds the combination of all lanes: i with i + 8, i + 4, …
#define FOLD(x, combine)                                                                        \
  do {                                                                                          \
    combine(x, __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, \
                                       14, 15));                                                \
    combine(x, __builtin_shufflevector(x, x, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7));  \
    combine(x, __builtin_shufflevector(x, x, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3));  \
    combine(x, __builtin_shufflevector(x, x, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1));  \
  } while (0)
#define ADD(x, y) x += (y)
/// The larger of each two lanes: a comparison gives a mask of ones.
#define RAISE(x, y)                                                                     \
  do {                                                                                  \
    const gyro_lanes other_ = (y);                                                      \
    const gyro_lanes_bits above_ = (gyro_lanes_bits)(other_ > (x));                     \
    (x) = (gyro_lanes)(((gyro_lanes_bits)other_ & above_) | ((gyro_lanes_bits)(x) & ~above_)); \
  } while (0)

/// Row by row the largest visible score of a block, times the scale.
GYRO_CLONES
static void find_largest(int64_t rows, int64_t keys, int64_t reach, float scale,
                         const float *restrict scores, float *restrict largest) {
  for (int64_t row = 0; row < rows; row++) {
    const float *restrict s = scores + row * gyro_key_block;
    const int64_t visible = gyro_visible(row, reach, keys);
    gyro_lanes best = (gyro_lanes){0} - FLT_MAX, x;
    int64_t chunk = 0;
    for (; chunk + gyro_lane_count <= visible; chunk += gyro_lane_count) {
      GYRO_LOAD(x, s + chunk);
      RAISE(best, x);
    }
    if (chunk < visible) {
      float last[gyro_lane_count];
      for (int64_t i = 0; i < gyro_lane_count; i++)
        last[i] = chunk + i < visible ? s[chunk + i] : -FLT_MAX;
      GYRO_LOAD(x, last);
      RAISE(best, x);
    }
    FOLD(best, RAISE);
    largest[row] = best[0] * scale;
  }
}

/// Scores become weights relative to the running maximum `largest`; the sums and the output so far
/// shrink to that maximum.
GYRO_CLONES
static void exponentiate(int64_t rows, int64_t keys, int64_t reach, float scale,
                         float *restrict scores, const float *restrict largest,
                         const float *restrict shrink, float *restrict sums,
                         float *restrict output, int64_t width) {
  for (int64_t row = 0; row < rows; row++) {
    float *restrict s = scores + row * gyro_key_block;
    const int64_t visible = gyro_visible(row, reach, keys);
    const float maximum = largest[row], factor = shrink[row];
    gyro_lanes sum = {0}, x;
    int64_t chunk = 0;
    for (; chunk < visible; chunk += gyro_lane_count) {
      for (int64_t i = chunk; i < chunk + gyro_lane_count; i++)
        s[i] = gyro_attention_weight(s[i] * scale - maximum, i < visible);
      GYRO_LOAD(x, s + chunk);
      sum += x;
    }
    if (chunk < keys) GYRO_STORE(s + chunk, gyro_attention_zeros);
    FOLD(sum, ADD);
    sums[row] = sums[row] * factor + sum[0];
    for (chunk = 0; chunk < width; chunk += gyro_lane_count) {
      GYRO_LOAD(x, output + row * width + chunk);
      x *= factor;
      GYRO_STORE(output + row * width + chunk, x);
    }
  }
}

/// Moves to the larger of the running and the block's maxima; e to the difference is what sums and
/// output shrink by.
GYRO_CLONES
static void raise_largest(int64_t rows, float *restrict block, float *restrict largest) {
  for (int64_t row = 0; row < rows; row++) {
    const float before = largest[row];
    const float after = block[row] > before ? block[row] : before;
    largest[row] = after;
    block[row] = gyro_attention_weight(before - after, 1);
  }
}

/// Divides by the sums, and leaves their logarithms.
GYRO_CLONES
static void normalize(int64_t rows, int64_t size, const Work *work, int64_t width,
                      float *restrict output, int64_t stride, float *restrict log_sums) {
  for (int64_t row = 0; row < rows; row++) {
    const float inverse = 1 / work->sums[row];
    for (int64_t i = 0; i < size; i++)
      output[row * stride + i] = work->output[row * width + i] * inverse;
    if (log_sums) log_sums[row] = work->largest[row] + gyro_log(work->sums[row]);
  }
}

/// One head's keys and values as the products want them.
static void prepare(const Forward *job, const Work *work, const float *keys, const float *values) {
  const gyro_attention *s = &job->shape;
  const int64_t size = s->head_size, stride = s->key_heads * size;
  if (!is_short(s))
    for (int64_t key = 0; key < s->keys; key += gyro_key_block)
      gyro_product_transpose(&(gyro_product){
          .m = gyro_smaller(gyro_key_block, s->keys - key), .n = size, .a = keys + key * stride,
          .a_stride = stride, .c = work->transposed_keys + key * size, .c_stride = gyro_key_block});
  if (work->values) gyro_gather_rows(values, stride, s->keys, size, work->values);
}

/// A block of queries of one head against all keys that it sees.
static void attend(const Forward *job, const Work *work, const float *keys, const float *values,
                   int64_t value_stride, int64_t first, int64_t place, int64_t log_place) {
  const gyro_attention *s = &job->shape;
  const int64_t size = s->head_size, width = gyro_product_padded(size);
  const int64_t query_stride = s->query_heads * size, key_stride = s->key_heads * size;
  const int64_t rows = gyro_smaller(gyro_query_block, s->queries - first);
  const float *queries = job->queries + place + first * query_stride;
  for (int64_t row = 0; row < rows; row++) {
    work->largest[row] = -FLT_MAX;
    work->sums[row] = 0;
  }
  for (int64_t key = 0; key < s->keys; key += gyro_key_block) {
    const int64_t count = gyro_smaller(gyro_key_block, s->keys - key);
    const int64_t reach = gyro_attention_reach(s, first, key);
    if (rows + reach <= 0) break;
    if (is_short(s)) {
      dot_scores(queries, query_stride, rows, keys + key * key_stride, key_stride, count, size,
                 work->scores);
    } else {
      gyro_product_scores(&(gyro_product){
          .m = rows, .n = gyro_product_padded(count), .k = size, .reach = reach,
          .a = queries, .a_stride = query_stride,
          .b = work->transposed_keys + key * size, .b_stride = gyro_key_block,
          .c = work->scores, .c_stride = gyro_key_block});
    }
    find_largest(rows, count, reach, s->scale, work->scores, work->shrink);
    raise_largest(rows, work->shrink, work->largest);
    exponentiate(rows, count, reach, s->scale, work->scores, work->largest, work->shrink,
                 work->sums, work->output, key > 0 ? width : 0);
    gyro_product_by_query(
        &(gyro_product){
            .m = rows, .n = width, .k = count, .reach = reach,
            .a = work->scores, .a_stride = gyro_key_block,
            .b = values + key * value_stride, .b_stride = value_stride,
            .c = work->output, .c_stride = width},
        key > 0);
  }
  normalize(rows, size, work, width, job->output + place + first * query_stride, query_stride,
            job->log_sums ? job->log_sums + log_place + first : NULL);
}

static void attend_heads(void *context, int64_t begin, int64_t end, int thread) {
  const Forward *job = context;
  const gyro_attention *s = &job->shape;
  const int64_t size = s->head_size, group = s->query_heads / s->key_heads;
  Work work;
  divide(s, job->scratch + thread * gyro_attention_forward_scratch(s), &work);
  int64_t prepared = -1;
  for (int64_t unit = begin; unit < end; unit++) {
    const int64_t batch = unit / s->query_heads, head = unit % s->query_heads;
    const int64_t place = (batch * s->keys * s->key_heads + head / group) * size;
    const float *keys = job->keys + place, *values = job->values + place;
    if (prepared != place) prepare(job, &work, keys, values);
    prepared = place;
    for (int64_t query = 0; query < s->queries; query += gyro_query_block)
      attend(job, &work, keys, work.values ? work.values : values,
             work.values ? gyro_product_padded(size) : s->key_heads * size, query,
             (batch * s->queries * s->query_heads + head) * size, unit * s->queries);
  }
}

void gyro_attention_forward(const gyro_attention *attention, const float *queries,
                            const float *keys, const float *values, float *output,
                            float *log_sums, float *scratch) {
  Forward job = {*attention, queries, keys, values, output, log_sums, scratch};
  const int64_t units = attention->batch * attention->query_heads;
  const int64_t work = attention->queries * attention->keys * attention->head_size;
  gyro_parallel_for_dynamic(units, gyro_attention_chunk(work), attend_heads, &job);
}
