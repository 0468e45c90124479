#include "cache_chunks.h"
#include "cache_half.h"
#include "cache_variant.h"
#include "gyro_cache_float.h"
#include "gyro_cache_value.h"
#include "gyro_parallel.h"
#include "partial_sums.h"

enum { tile = 32, chunk = 512 };

typedef struct {
  const gyro_float_rows *rows;
  const float *input;
  int64_t queries, query_heads, stride, chunks;
  float *output;
} Job;

static int64_t place_of(const gyro_float_rows *rows, int64_t head, int64_t token) {
  return (head * rows->slots + token % rows->slots) * rows->head_size;
}

static void widen(const uint16_t *halves, int64_t count, float *floats) {
  cache_widen(chosen_variant(gyro_variant_best), halves, count, floats);
}

GYRO_CLONES
static void narrow(const float *floats, int64_t count, uint16_t *halves) {
  for (int64_t i = 0; i < count; i++) halves[i] = float_to_half(floats[i]);
}

void gyro_float_store(const gyro_float_rows *rows, const float *source, int64_t first,
                      int64_t count) {
  for (int64_t i = 0; i < count; i++)
    for (int64_t head = 0; head < rows->heads; head++, source += rows->head_size) {
      const int64_t place = place_of(rows, head, first + i);
      if (rows->is_half)
        narrow(source, rows->head_size, (uint16_t *)rows->rows + place);
      else
        memcpy((float *)rows->rows + place, source, (size_t)rows->head_size * sizeof(float));
    }
}

void gyro_float_load(const gyro_float_rows *rows, int64_t first, int64_t count,
                     float *destination) {
  for (int64_t i = 0; i < count; i++)
    for (int64_t head = 0; head < rows->heads; head++, destination += rows->head_size) {
      const int64_t place = place_of(rows, head, first + i);
      if (rows->is_half)
        widen((const uint16_t *)rows->rows + place, rows->head_size, destination);
      else
        memcpy(destination, (const float *)rows->rows + place,
               (size_t)rows->head_size * sizeof(float));
    }
}

/// Up to `tile` tokens that lie one after another, as floats: where they are, or in `scratch`.
static const float *floats_of(const gyro_float_rows *rows, int64_t head, int64_t token,
                              int64_t limit, int64_t *count, float *scratch) {
  const int64_t ahead = rows->slots - token % rows->slots, place = place_of(rows, head, token);
  *count = limit < tile ? limit : tile;
  if (*count > ahead) *count = ahead;
  if (!rows->is_half) return (const float *)rows->rows + place;
  widen((const uint16_t *)rows->rows + place, *count * rows->head_size, scratch);
  return scratch;
}

// MARK: Scores

/// scores[t] = ⟨query, key t⟩ in 16 lanes and a tree; elements beyond whole vectors first to last.
GYRO_CLONES
static void score_tokens(const float *keys, int64_t count, int64_t size, const float *query,
                         float *scores) {
  for (int64_t t = 0; t < count; t++, keys += size) {
    gyro_lanes sum = {0}, x, y;
    int64_t i = 0;
    for (; i + 16 <= size; i += 16) {
      GYRO_LOAD(x, keys + i);
      GYRO_LOAD(y, query + i);
      sum += x * y;
    }
    sum += __builtin_shufflevector(sum, sum, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    sum += __builtin_shufflevector(sum, sum, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
    sum += __builtin_shufflevector(sum, sum, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    float result = sum[0] + sum[1];
    for (; i < size; i++) result += keys[i] * query[i];
    scores[t] = result;
  }
}

static void score_units(void *context, int64_t first, int64_t last, int thread) {
  (void)thread;
  const Job *job = context;
  const gyro_float_rows *rows = job->rows;
  const int64_t sharing = job->query_heads / rows->heads;
  _Alignas(64) float scratch[tile * gyro_cache_head_limit];
  for (int64_t unit = first; unit < last; unit++) {
    const int64_t head = unit / job->chunks, begin = unit % job->chunks * chunk;
    const int64_t rest = rows->tokens - begin, end = begin + (rest < chunk ? rest : chunk);
    for (int64_t token = begin, count; token < end; token += count) {
      const float *keys = floats_of(rows, head, rows->first + token, end - token, &count, scratch);
      for (int64_t query = 0; query < job->queries; query++)
        for (int64_t member = 0; member < sharing; member++) {
          const int64_t row = query * job->query_heads + head * sharing + member;
          score_tokens(keys, count, rows->head_size, job->input + row * rows->head_size,
                       job->output + row * job->stride + token);
        }
    }
  }
}

/// Shares out heads × chunks of tokens.
static void share(Job *job, gyro_parallel_body body) {
  const int64_t rows = job->queries * job->query_heads / job->rows->heads;
  job->chunks = (job->rows->tokens + chunk - 1) / chunk;
  gyro_parallel_for(job->rows->heads * job->chunks, rows < 4 ? 4 / rows : 1, body, job);
}

void gyro_float_scores(const gyro_float_rows *rows, const float *queries, int64_t count,
                       int64_t query_heads, float *scores, int64_t stride) {
  Job job = {rows, queries, count, query_heads, stride, 0, scores};
  if (rows->tokens > 0 && count > 0) share(&job, score_units);
}

// MARK: Weighted sums

/// sums[c] += Σ weights[t] · values[t][c], tokens first to last.
GYRO_CLONES
static void add_tokens(const float *values, int64_t count, int64_t size, const float *weights,
                       float *sums) {
  int64_t c = 0;
  for (; c + 64 <= size; c += 64) {
    gyro_lanes sum[4], x;
    for (int v = 0; v < 4; v++) GYRO_LOAD(sum[v], sums + c + 16 * v);
    for (int64_t t = 0; t < count; t++)
      for (int v = 0; v < 4; v++) {
        GYRO_LOAD(x, values + t * size + c + 16 * v);
        sum[v] += weights[t] * x;
      }
    for (int v = 0; v < 4; v++) GYRO_STORE(sums + c + 16 * v, sum[v]);
  }
  for (; c < size; c++)
    for (int64_t t = 0; t < count; t++) sums[c] += weights[t] * values[t * size + c];
}

static void sum_units(void *context, int64_t first, int64_t last, int thread) {
  (void)thread;
  const Job *job = context;
  const gyro_float_rows *rows = job->rows;
  const int64_t sharing = job->query_heads / rows->heads, size = rows->head_size;
  const int64_t all = job->queries * job->query_heads;
  _Alignas(64) float scratch[tile * gyro_cache_head_limit];
  for (int64_t unit = first; unit < last; unit++) {
    const int64_t head = unit / job->chunks, part = unit % job->chunks, begin = part * chunk;
    const int64_t rest = rows->tokens - begin, end = begin + (rest < chunk ? rest : chunk);
    for (int64_t token = begin, count; token < end; token += count) {
      const float *values =
          floats_of(rows, head, rows->first + token, end - token, &count, scratch);
      for (int64_t query = 0; query < job->queries; query++)
        for (int64_t member = 0; member < sharing; member++) {
          const int64_t row = query * job->query_heads + head * sharing + member;
          float *sums = job->output + (part * all + row) * size;
          if (token == begin) memset(sums, 0, (size_t)size * sizeof(float));
          add_tokens(values, count, size, job->input + row * job->stride + token, sums);
        }
    }
  }
}

int64_t gyro_float_workspace(const gyro_float_rows *rows, int64_t queries, int64_t query_heads) {
  const int64_t together = queries < gyro_partial_rows ? queries : gyro_partial_rows;
  return (rows->tokens + chunk - 1) / chunk * together * query_heads * rows->head_size;
}

void gyro_float_sum(const gyro_float_rows *rows, const float *weights, int64_t stride,
                    int64_t queries, int64_t query_heads, float *workspace, float *result) {
  if (rows->tokens == 0) return;
  for (int64_t begin = 0; begin < queries; begin += gyro_partial_rows) {
    const int64_t rest = queries - begin;
    Job job = {rows, weights + begin * query_heads * stride,
               rest < gyro_partial_rows ? rest : gyro_partial_rows, query_heads, stride, 0,
               workspace};
    share(&job, sum_units);
    gyro_add_partial_sums(workspace, job.chunks, job.queries * query_heads * rows->head_size,
                          result + begin * query_heads * rows->head_size);
  }
}
