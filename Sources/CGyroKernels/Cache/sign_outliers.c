#include "cache_half.h"
#include "gyro_cache_sign.h"
#include "gyro_clones.h"
#include "gyro_parallel.h"

typedef struct {
  const gyro_sign_outliers *outliers;
  const uint16_t *numbers;
  int64_t heads, tokens, queries, query_heads;
  float *scores;
  int64_t stride;
} Job;

/// Reads whole groups; tokens beyond the last are left out at the end.
GYRO_CLONES
static void score_group(const uint16_t *numbers, int64_t tokens, const uint8_t *channels,
                        int64_t count, const float *query, float *scores) {
  float sum[gyro_sign_group] = {0};
  for (int64_t i = 0; i < count; i++, numbers += gyro_sign_group) {
    const float q = query[channels[i]];
    for (int t = 0; t < gyro_sign_group; t++) sum[t] += q * half_to_float(numbers[t]);
  }
  for (int64_t t = 0; t < tokens; t++) scores[t] += sum[t];
}

static void score_groups(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Job *job = context;
  const gyro_sign_outliers *o = job->outliers;
  const int64_t used = (job->tokens + gyro_sign_group - 1) / gyro_sign_group;
  const int64_t sharing = job->query_heads / job->heads;
  for (int64_t unit = begin; unit < end; unit++) {
    const int64_t head = unit / used, group = unit % used, first = group * gyro_sign_group;
    const int64_t rest = job->tokens - first, place = head * o->groups + group;
    for (int64_t query = 0; query < job->queries; query++)
      for (int64_t member = 0; member < sharing; member++) {
        const int64_t row = query * job->query_heads + head * sharing + member;
        score_group(job->numbers + place * gyro_sign_group * o->count,
                    rest < gyro_sign_group ? rest : gyro_sign_group,
                    o->channels + place * o->count, o->count, o->queries + row * o->head_size,
                    job->scores + row * job->stride + first);
      }
  }
}

void gyro_outlier_scores(const gyro_sign_outliers *outliers, const uint16_t *numbers,
                         int64_t heads, int64_t tokens, int64_t queries, int64_t query_heads,
                         float *scores, int64_t stride) {
  Job job = {outliers, numbers, heads, tokens, queries, query_heads, scores, stride};
  const int64_t used = (tokens + gyro_sign_group - 1) / gyro_sign_group;
  gyro_parallel_for(heads * used, 64 / (queries * query_heads / heads + 1) + 1, score_groups,
                    &job);
}
