#include "cache_chunks.h"
#include "cache_half.h"
#include "cache_variant.h"
#include "gyro_cache_sign.h"
#include "gyro_parallel.h"
#include "sign_scan.h"

enum { chunk = 1024, tokens_of_block = gyro_sign_tokens };

typedef enum { plain_keys, inliers, outliers_alone } Part;

typedef struct {
  const gyro_sign_keys *keys;
  const gyro_sign_outliers *outliers;
  const float *sketched;
  int64_t queries, query_heads, chunks;
  float *scores;
  int64_t stride;
  int variant;
  Part part;
} Job;

/// A query's projections and the tables made of them, on the stack of the thread.
typedef struct {
  _Alignas(64) float sketched[gyro_sign_rows_limit];
  _Alignas(64) float tables[4 * gyro_sign_rows_limit];
  _Alignas(64) float sums[chunk], norms[chunk];
} Scratch;

GYRO_CLONES
static void write_scores(const float *restrict sums, const float *restrict norms, float factor,
                         int64_t count, float *restrict scores) {
  for (int64_t i = 0; i < count; i++) scores[i] = sums[i] * factor * norms[i];
}

GYRO_CLONES
static void add_scores(const float *restrict sums, const float *restrict norms, float factor,
                       int64_t count, float *restrict scores) {
  for (int64_t i = 0; i < count; i++) scores[i] += sums[i] * factor * norms[i];
}

/// sketched = base + Σ factors[i] · columns[i], channels first to last; base may be missing.
GYRO_CLONES
static void add_columns(const float *base, const float *factors, const float *const *columns,
                        int64_t count, int64_t rows, float *sketched) {
  for (int64_t row = 0; row < rows; row += 16) {
    gyro_lanes sum = {0}, column;
    if (base) GYRO_LOAD(sum, base + row);
    for (int64_t i = 0; i < count; i++) {
      GYRO_LOAD(column, columns[i] + row);
      sum += factors[i] * column;
    }
    GYRO_STORE(sketched + row, sum);
  }
}

static const uint8_t *channels_of(const Job *job, int64_t head, int64_t group) {
  const gyro_sign_outliers *o = job->outliers;
  return o->channels + (head * o->groups + group) * o->count;
}

/// The sketch of a query's channels inside or outside a group's outliers.
static void sketch_part(const Job *job, const uint8_t *channels, int64_t row, float *sketched) {
  const gyro_sign_outliers *o = job->outliers;
  const int64_t rows = job->keys->rows;
  const int is_inside = job->part == outliers_alone;
  const float *q = o->queries + row * o->head_size;
  float factors[256];
  const float *columns[256];
  for (int64_t i = 0; i < o->count; i++) {
    factors[i] = is_inside ? q[channels[i]] : -q[channels[i]];
    columns[i] = o->columns + channels[i] * rows;
  }
  add_columns(is_inside ? 0 : job->sketched + row * rows, factors, columns, o->count, rows,
              sketched);
}

/// Where the outlier channels change after `group`, at most `end`: in a trained model they nearly
/// never do, and then the tables stay as well.
static int64_t alike(const Job *job, int64_t head, int64_t group, int64_t end) {
  int64_t next = group + 1;
  while (next < end && memcmp(channels_of(job, head, group), channels_of(job, head, next),
                              (size_t)job->outliers->count) == 0)
    next++;
  return next;
}

/// Sums of the tokens of groups `first` ..< `last`.
static void scan_groups(const Job *job, const uint32_t *codes, int64_t head, int64_t first,
                        int64_t last, int64_t row, Scratch *scratch) {
  const int64_t words = job->keys->rows / 32, blocks = gyro_sign_group / tokens_of_block;
  for (int64_t group = first, next; group < last; group = next) {
    next = alike(job, head, group, last);
    sketch_part(job, channels_of(job, head, group), row, scratch->sketched);
    gyro_sign_tables(scratch->sketched, job->keys->rows, scratch->tables);
    gyro_sign_scan(job->variant, codes + (group - first) * blocks * words * tokens_of_block,
                   (next - group) * blocks, words, scratch->tables,
                   scratch->sums + (group - first) * gyro_sign_group);
  }
}

static void score_chunk(const Job *job, int64_t head, int64_t begin, int64_t count,
                        Scratch *scratch) {
  const gyro_sign_keys *keys = job->keys;
  const int64_t words = keys->rows / 32, block = head * keys->blocks + begin / tokens_of_block;
  const uint32_t *codes = keys->codes + block * words * tokens_of_block;
  const int64_t blocks = (count + tokens_of_block - 1) / tokens_of_block;
  const int64_t sharing = job->query_heads / keys->heads;
  cache_widen(job->variant, keys->norms + block * tokens_of_block, count, scratch->norms);
  for (int64_t query = 0; query < job->queries; query++)
    for (int64_t member = 0; member < sharing; member++) {
      const int64_t row = query * job->query_heads + head * sharing + member;
      float *scores = job->scores + row * job->stride + begin;
      if (job->part == plain_keys) {
        gyro_sign_tables(job->sketched + row * keys->rows, keys->rows, scratch->tables);
        gyro_sign_scan(job->variant, codes, blocks, words, scratch->tables, scratch->sums);
      }
      if (job->part != plain_keys) {
        const int64_t first = begin / gyro_sign_group;
        scan_groups(job, codes, head, first, first + (blocks + 1) / 2, row, scratch);
      }
      (job->part == outliers_alone ? add_scores : write_scores)(scratch->sums, scratch->norms,
                                                                keys->factor, count, scores);
    }
}

static void score_part(void *context, int64_t first, int64_t last, int thread) {
  (void)thread;
  const Job *job = context;
  Scratch scratch;
  for (int64_t unit = first; unit < last; unit++) {
    const int64_t begin = unit % job->chunks * chunk, rest = job->keys->tokens - begin;
    score_chunk(job, unit / job->chunks, begin, rest < chunk ? rest : chunk, &scratch);
  }
}

static void run(Job job) {
  if (job.keys->tokens == 0 || job.queries == 0) return;
  job.chunks = (job.keys->tokens + chunk - 1) / chunk;
  job.variant = chosen_variant(job.keys->variant);
  const int64_t rows = job.queries * job.query_heads / job.keys->heads;
  gyro_parallel_for(job.keys->heads * job.chunks, rows < 4 ? 4 / rows : 1, score_part, &job);
}

void gyro_sign_scores(const gyro_sign_keys *keys, const float *sketched, int64_t queries,
                      int64_t query_heads, float *scores, int64_t stride) {
  run((Job){keys, 0, sketched, queries, query_heads, 0, scores, stride, 0, plain_keys});
}

void gyro_sign_inlier_scores(const gyro_sign_keys *keys, const gyro_sign_outliers *outliers,
                             const float *sketched, int64_t queries, int64_t query_heads,
                             float *scores, int64_t stride) {
  run((Job){keys, outliers, sketched, queries, query_heads, 0, scores, stride, 0, inliers});
}

void gyro_sign_outlier_scores(const gyro_sign_keys *keys, const gyro_sign_outliers *outliers,
                              int64_t queries, int64_t query_heads, float *scores,
                              int64_t stride) {
  run((Job){keys, outliers, 0, queries, query_heads, 0, scores, stride, 0, outliers_alone});
}
