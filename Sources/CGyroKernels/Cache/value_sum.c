#include "cache_chunks.h"
#include "cache_half.h"
#include "cache_variant.h"
#include "gyro_parallel.h"
#include "partial_sums.h"
#include "value_layout.h"
#include "value_scan.h"

enum { chunk = gyro_value_chunk, groups_limit = gyro_cache_head_limit / 32 };

typedef struct {
  const gyro_value_codes *codes;
  const float *weights;
  int64_t stride, queries, query_heads, chunks;
  float *partial;  // [chunks][queries][query_heads][head_size]
  int variant;
} Job;

/// Scales and minima of a chunk as floats, and a query's weights times the scales.
typedef struct {
  _Alignas(64) float scales[groups_limit][chunk];
  _Alignas(64) float minima[groups_limit][chunk];
  _Alignas(64) float scaled[groups_limit][chunk];
  _Alignas(64) float sums[gyro_cache_head_limit];
} Scratch;

static void sum_row(const Job *job, int64_t head, int64_t begin, int64_t count,
                    const float *weights, Scratch *scratch, float *result) {
  const gyro_value_codes *codes = job->codes;
  const int64_t groups = value_groups(codes), size = value_group(codes);
  float offsets[groups_limit];
  for (int64_t g = 0; g < groups; g++) {
    cache_multiply(weights, scratch->scales[g], count, scratch->scaled[g]);
    for (int64_t i = count; i % 4; i++) scratch->scaled[g][i] = 0;
    offsets[g] = cache_dot(weights, scratch->minima[g], count);
  }
  memset(scratch->sums, 0, sizeof scratch->sums);
  int32_t bits[gyro_value_planes_limit];
  const int planes = gyro_value_planes(codes->bits, bits);
  for (int p = 0; p < planes; p++) {
    const int64_t sharing = 4 / bits[p];
    gyro_value_rows rows = {value_row(codes, p, bits[p], head, begin),
                            (count + sharing - 1) / sharing, codes->head_size,
                            scratch->scaled[0], size, bits[p],
                            p == 0 ? 1.0f : (float)(1 << bits[0])};
    gyro_value_scan(job->variant, &rows, scratch->sums);
  }
  for (int64_t c = 0; c < codes->head_size; c++)
    result[c] = scratch->sums[c / 32 * 32 + c % 2 * 16 + c % 32 / 2] + offsets[c / size];
}

static void sum_chunks(void *context, int64_t first, int64_t last, int thread) {
  (void)thread;
  const Job *job = context;
  const gyro_value_codes *codes = job->codes;
  const int64_t groups = value_groups(codes), sharing = job->query_heads / codes->heads;
  Scratch scratch;
  for (int64_t unit = first; unit < last; unit++) {
    const int64_t head = unit / job->chunks, part = unit % job->chunks, begin = part * chunk;
    const int64_t rest = codes->tokens - begin, count = rest < chunk ? rest : chunk;
    for (int64_t g = 0; g < groups; g++) {
      const int64_t place = (head * groups + g) * codes->capacity + begin;
      cache_widen(job->variant, codes->scales + place, count, scratch.scales[g]);
      cache_widen(job->variant, codes->minima + place, count, scratch.minima[g]);
    }
    for (int64_t query = 0; query < job->queries; query++)
      for (int64_t member = 0; member < sharing; member++) {
        const int64_t row = query * job->query_heads + head * sharing + member;
        const int64_t rows = job->queries * job->query_heads;
        sum_row(job, head, begin, count, job->weights + row * job->stride + begin, &scratch,
                job->partial + (part * rows + row) * codes->head_size);
      }
  }
}

int64_t gyro_value_workspace(const gyro_value_codes *codes, int64_t queries, int64_t query_heads) {
  const int64_t rows = queries < gyro_partial_rows ? queries : gyro_partial_rows;
  return (codes->tokens + chunk - 1) / chunk * rows * query_heads * codes->head_size;
}

void gyro_value_sum(const gyro_value_codes *codes, const float *weights, int64_t stride,
                    int64_t queries, int64_t query_heads, float *workspace, float *result) {
  Job job = {codes, weights, stride, 0, query_heads, (codes->tokens + chunk - 1) / chunk,
             workspace, chosen_variant(codes->variant)};
  if (codes->tokens == 0) return;
  for (int64_t begin = 0; begin < queries; begin += gyro_partial_rows) {
    job.queries = queries - begin < gyro_partial_rows ? queries - begin : gyro_partial_rows;
    job.weights = weights + begin * query_heads * stride;
    const int64_t rows = job.queries * query_heads / codes->heads;
    gyro_parallel_for(codes->heads * job.chunks, rows < 4 ? 4 / rows : 1, sum_chunks, &job);
    gyro_add_partial_sums(workspace, job.chunks, job.queries * query_heads * codes->head_size,
                          result + begin * query_heads * codes->head_size);
  }
}
