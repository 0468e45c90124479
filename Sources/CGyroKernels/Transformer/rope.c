#include "gyro_rope.h"

#include "gyro_clones.h"
#include "gyro_parallel.h"

#pragma STDC FP_CONTRACT OFF

typedef struct {
  const float *x, *cosines, *sines;
  float *y;
  int64_t time, heads, size, first;
  float direction;
} Rope;

/// Multiplying the sine by ±1 is exact, so the way back uses the same numbers.
GYRO_CLONES
static void rotate_row(const float *restrict x, const float *restrict cosines,
                       const float *restrict sines, int64_t heads, int64_t half, float direction,
                       float *restrict y) {
  for (int64_t head = 0; head < heads; head++) {
    const float *restrict a = x + head * 2 * half, *restrict b = a + half;
    float *restrict left = y + head * 2 * half, *restrict right = left + half;
    for (int64_t i = 0; i < half; i++) {
      const float sine = sines[i] * direction;
      left[i] = a[i] * cosines[i] - b[i] * sine;
      right[i] = b[i] * cosines[i] + a[i] * sine;
    }
  }
}

static void rotate_rows(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Rope *job = context;
  const int64_t half = job->size / 2, columns = job->heads * job->size;
  for (int64_t row = begin; row < end; row++) {
    const int64_t position = job->first + row % job->time;
    rotate_row(job->x + row * columns, job->cosines + position * half,
               job->sines + position * half, job->heads, half, job->direction,
               job->y + row * columns);
  }
}

void gyro_rope(const float *x, const float *cosines, const float *sines, int64_t sequences,
               int64_t time, int64_t heads, int64_t size, int64_t first, int32_t backward,
               float *y) {
  Rope job = {.x = x, .cosines = cosines, .sines = sines, .y = y, .time = time, .heads = heads,
              .size = size, .first = first, .direction = backward ? -1.0f : 1.0f};
  gyro_parallel_for(sequences * time, 1 + 16384 / (heads * size + 1), rotate_rows, &job);
}
