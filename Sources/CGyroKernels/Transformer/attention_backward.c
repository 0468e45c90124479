#include "attention_block.h"
#include "gyro_clones.h"

#pragma STDC FP_CONTRACT OFF

#include "attention_weight.h"

typedef struct {
  gyro_attention shape;
  const float *queries, *keys, *values, *output, *log_sums, *output_gradient;
  float *query_gradient, *key_gradient, *value_gradient, *scratch;
} Backward;

/// What one thread works in: blocks of what belongs to keys, whole heads of what belongs to
/// queries.
typedef struct {
  float *scores, *slopes, *transposed_keys, *transposed_values, *keys, *key_sums, *value_sums,
      *queries, *gradients, *query_sums, *overlaps;
} Work;

/// Cuts a thread's scratch memory into parts; returns its size.
static int64_t divide(const gyro_attention *s, float *memory, Work *work) {
  const int64_t size = s->head_size, width = gyro_product_padded(size);
  const int64_t group = s->query_heads / s->key_heads, square = gyro_query_block * gyro_key_block;
  const int64_t sizes[] = {
      square, square, gyro_key_block * size, gyro_key_block * size, gyro_key_block * width,
      gyro_key_block * width, gyro_key_block * width, s->queries * group * width,
      s->queries * group * width, s->queries * group * width, s->queries * group,
  };
  float **parts[] = {
      &work->scores, &work->slopes, &work->transposed_keys, &work->transposed_values, &work->keys,
      &work->key_sums, &work->value_sums, &work->queries, &work->gradients, &work->query_sums,
      &work->overlaps,
  };
  int64_t place = 0;
  for (int part = 0; part < 11; part++) {
    *parts[part] = memory ? memory + place : NULL;
    place += gyro_product_padded(sizes[part]);
  }
  return place;
}

int64_t gyro_attention_backward_scratch(const gyro_attention *attention) {
  Work work;
  return divide(attention, NULL, &work);
}

/// Row by row, the inner product of the output and its gradient: what the softmax's derivative
/// subtracts.
GYRO_CLONES
static void overlap(const float *output, int64_t stride, const float *gradient, int64_t width,
                    int64_t rows, int64_t size, float *overlaps) {
  for (int64_t row = 0; row < rows; row++) {
    const float *a = output + row * stride, *b = gradient + row * width;
    gyro_prefetch_row(a + 8 * stride, size);
    gyro_lanes sum = {0};
    int64_t i = 0;
    for (; i + gyro_lane_count <= size; i += gyro_lane_count) {
      gyro_lanes x, y;
      GYRO_LOAD(x, a + i);
      GYRO_LOAD(y, b + i);
      sum += x * y;
    }
    float total;
    GYRO_TREE_SUM(total, sum);
    for (; i < size; i++) total += a[i] * b[i];
    overlaps[row] = total;
  }
}

/// Scores become probabilities, and gradients of probabilities those of scores (times the scale);
/// both are zero at invisible places.
GYRO_CLONES
static void differentiate(int64_t rows, int64_t keys, int64_t reach, float scale,
                          const float *log_sums, const float *overlaps, float *restrict scores,
                          float *restrict slopes) {
  for (int64_t row = 0; row < rows; row++) {
    float *restrict p = scores + row * gyro_key_block, *restrict d = slopes + row * gyro_key_block;
    const float log_sum = log_sums[row], overlap = overlaps[row];
    const int64_t visible = gyro_visible(row, reach, keys);
    int64_t chunk = 0;
    for (; chunk < visible; chunk += gyro_lane_count)
      for (int64_t i = chunk; i < chunk + gyro_lane_count; i++) {
        p[i] = gyro_attention_weight(p[i] * scale - log_sum, i < visible);
        const float slope = p[i] * (d[i] - overlap) * scale;
        d[i] = i < visible ? slope : 0;
      }
    if (chunk < keys) {
      GYRO_STORE(p + chunk, gyro_attention_zeros);
      GYRO_STORE(d + chunk, gyro_attention_zeros);
    }
  }
}

/// One block of queries against one block of keys; `member` is the query head's place in its group.
static void step(const Backward *job, const Work *work, int64_t batch, int64_t head,
                 int64_t member, int64_t first, int64_t key) {
  const gyro_attention *s = &job->shape;
  const int64_t size = s->head_size, width = gyro_product_padded(size);
  const int64_t rows = gyro_smaller(gyro_query_block, s->queries - first);
  const int64_t count = gyro_smaller(gyro_key_block, s->keys - key);
  const int64_t place = member * s->queries + first;
  const float *queries = work->queries + place * width;
  const float *gradients = work->gradients + place * width;
  gyro_product scores = {
      .m = rows, .n = gyro_product_padded(count), .k = size,
      .a = queries, .a_stride = width, .b = work->transposed_keys, .b_stride = gyro_key_block,
      .c = work->scores, .c_stride = gyro_key_block,
      .reach = gyro_attention_reach(s, first, key)};
  gyro_product_scores(&scores);
  scores.a = gradients;
  scores.b = work->transposed_values;
  scores.c = work->slopes;
  gyro_product_scores(&scores);
  differentiate(rows, count, scores.reach, s->scale,
                job->log_sums + (batch * s->query_heads + head) * s->queries + first,
                work->overlaps + place, work->scores, work->slopes);
  if (job->query_gradient)
    gyro_product_by_query(
        &(gyro_product){
            .m = rows, .n = width, .k = count, .reach = scores.reach,
            .a = work->slopes, .a_stride = gyro_key_block, .b = work->keys, .b_stride = width,
            .c = work->query_sums + place * width, .c_stride = width},
        key > 0);
  gyro_product sums = {
      .m = count, .n = width, .k = rows, .reach = scores.reach,
      .a_stride = gyro_key_block, .b_stride = width, .c_stride = width};
  if (job->key_gradient) {
    sums.a = work->slopes;
    sums.b = queries;
    sums.c = work->key_sums;
    gyro_product_by_key(&sums);
  }
  if (job->value_gradient) {
    sums.a = work->scores;
    sums.b = gradients;
    sums.c = work->value_sums;
    gyro_product_by_key(&sums);
  }
}

/// A block of keys against all queries that see it.
static void key_block(const Backward *job, const Work *work, int64_t batch, int64_t key_head,
                      int64_t key) {
  const gyro_attention *s = &job->shape;
  const int64_t size = s->head_size, width = gyro_product_padded(size);
  const int64_t group = s->query_heads / s->key_heads, stride = s->key_heads * size;
  const int64_t place = ((batch * s->keys + key) * s->key_heads + key_head) * size;
  const int64_t count = gyro_smaller(gyro_key_block, s->keys - key);
  gyro_product turned = {
      .m = count, .n = size, .a = job->keys + place, .a_stride = stride,
      .c = work->transposed_keys, .c_stride = gyro_key_block};
  gyro_product_transpose(&turned);
  turned.a = job->values + place;
  turned.c = work->transposed_values;
  gyro_product_transpose(&turned);
  gyro_gather_rows(job->keys + place, stride, count, size, work->keys);
  memset(work->key_sums, 0, (size_t)(count * width) * sizeof(float));
  memset(work->value_sums, 0, (size_t)(count * width) * sizeof(float));
  for (int64_t member = 0; member < group; member++)
    for (int64_t first = 0; first < s->queries; first += gyro_query_block) {
      const int64_t rows = gyro_smaller(gyro_query_block, s->queries - first);
      if (rows + gyro_attention_reach(s, first, key) > 0)
        step(job, work, batch, key_head * group + member, member, first, key);
    }
  if (job->key_gradient)
    gyro_scatter_rows(work->key_sums, count, size, job->key_gradient + place, stride);
  if (job->value_gradient)
    gyro_scatter_rows(work->value_sums, count, size, job->value_gradient + place, stride);
}

/// Key heads with the query heads that read them: nobody else touches their gradients.
static void key_heads(void *context, int64_t begin, int64_t end, int thread) {
  const Backward *job = context;
  const gyro_attention *s = &job->shape;
  const int64_t size = s->head_size, width = gyro_product_padded(size);
  const int64_t group = s->query_heads / s->key_heads, stride = s->query_heads * size;
  Work work;
  divide(s, job->scratch + thread * gyro_attention_backward_scratch(s), &work);
  for (int64_t unit = begin; unit < end; unit++) {
    const int64_t batch = unit / s->key_heads, key_head = unit % s->key_heads;
    const int64_t place = (batch * s->queries * s->query_heads + key_head * group) * size;
    for (int64_t member = 0; member < group; member++) {
      const int64_t here = place + member * size, row = member * s->queries;
      gyro_gather_rows(job->queries + here, stride, s->queries, size, work.queries + row * width);
      gyro_gather_rows(job->output_gradient + here, stride, s->queries, size,
                       work.gradients + row * width);
      overlap(job->output + here, stride, work.gradients + row * width, width, s->queries, size,
              work.overlaps + row);
    }
    for (int64_t key = 0; key < s->keys; key += gyro_key_block)
      key_block(job, &work, batch, key_head, key);
    if (job->query_gradient)
      for (int64_t member = 0; member < group; member++)
        gyro_scatter_rows(work.query_sums + member * s->queries * width, s->queries, size,
                          job->query_gradient + place + member * size, stride);
  }
}

void gyro_attention_backward(const gyro_attention *attention, const float *queries,
                             const float *keys, const float *values, const float *output,
                             const float *log_sums, const float *output_gradient,
                             float *query_gradient, float *key_gradient, float *value_gradient,
                             float *scratch) {
  Backward job = {*attention,     queries,      keys,           values,  output, log_sums,
                  output_gradient, query_gradient, key_gradient, value_gradient, scratch};
  const int64_t group = attention->query_heads / attention->key_heads;
  const int64_t work = attention->queries * attention->keys * attention->head_size * group;
  gyro_parallel_for_dynamic(attention->batch * attention->key_heads, gyro_attention_chunk(work),
                            key_heads, &job);
}
