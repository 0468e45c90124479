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

GYRO_CLONES
static void widen(const uint16_t *halves, int64_t count, float *floats) {
  for (int64_t i = 0; i < count; i++) floats[i] = half_to_float(halves[i]);
}

#if defined(__x86_64__)
/// The same numbers by the processor's own conversion.
GYRO_WIDE static void widen_wide(const uint16_t *halves, int64_t count, float *floats) {
  int64_t i = 0;
  for (; i + 16 <= count; i += 16)
    _mm512_storeu_ps(floats + i,
                     _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(halves + i))));
  for (; i < count; i++) floats[i] = half_to_float(halves[i]);
}
#endif

GYRO_CLONES
static void multiply(const float *restrict weights, const float *restrict scales, int64_t count,
                     float *restrict scaled) {
  for (int64_t i = 0; i < count; i++) scaled[i] = weights[i] * scales[i];
}

/// Σ weights · minima in 16 lanes, then the last few.
GYRO_CLONES
static float dot(const float *a, const float *b, int64_t count) {
  gyro_lanes sum = {0}, x, y;
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    GYRO_LOAD(x, a + i);
    GYRO_LOAD(y, b + i);
    sum += x * y;
  }
  float result;
  GYRO_TREE_SUM(result, sum);
  for (; i < count; i++) result += a[i] * b[i];
  return result;
}

static void sum_row(const Job *job, int64_t head, int64_t begin, int64_t count,
                    const float *weights, Scratch *scratch, float *result) {
  const gyro_value_codes *codes = job->codes;
  const int64_t groups = value_groups(codes), size = value_group(codes);
  float offsets[groups_limit];
  for (int64_t g = 0; g < groups; g++) {
    multiply(weights, scratch->scales[g], count, scratch->scaled[g]);
    for (int64_t i = count; i % 4; i++) scratch->scaled[g][i] = 0;
    offsets[g] = dot(weights, scratch->minima[g], count);
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
  void (*convert)(const uint16_t *, int64_t, float *) = widen;
#if defined(__x86_64__)
  if (job->variant == gyro_variant_avx512) convert = widen_wide;
#endif
  Scratch scratch;
  for (int64_t unit = first; unit < last; unit++) {
    const int64_t head = unit / job->chunks, part = unit % job->chunks, begin = part * chunk;
    const int64_t rest = codes->tokens - begin, count = rest < chunk ? rest : chunk;
    for (int64_t g = 0; g < groups; g++) {
      const int64_t place = (head * groups + g) * codes->capacity + begin;
      convert(codes->scales + place, count, scratch.scales[g]);
      convert(codes->minima + place, count, scratch.minima[g]);
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
