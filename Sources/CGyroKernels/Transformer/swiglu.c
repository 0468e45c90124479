#include "gyro_swiglu.h"

#include <stddef.h>

#include "gyro_clones.h"
#include "gyro_parallel.h"

#pragma STDC FP_CONTRACT OFF

#include "gyro_math.h"

enum { grain = 16384 };

typedef struct {
  const float *gate, *up, *y_gradient;
  float *y, *gate_gradient, *up_gradient;
} SwiGLU;

GYRO_CLONES
static void multiply(const float *restrict gate, const float *restrict up, int64_t count,
                     float *restrict y) {
  for (int64_t i = 0; i < count; i++) y[i] = gyro_silu(gate[i]) * up[i];
}

static void multiply_range(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const SwiGLU *job = context;
  multiply(job->gate + begin, job->up + begin, end - begin, job->y + begin);
}

void gyro_swiglu(const float *gate, const float *up, int64_t count, float *y) {
  SwiGLU job = {.gate = gate, .up = up, .y = y};
  gyro_parallel_for(count, grain, multiply_range, &job);
}

GYRO_CLONES
static void differentiate(const float *restrict gate, const float *restrict up,
                          const float *restrict y_gradient, int64_t count,
                          float *restrict gate_gradient, float *restrict up_gradient) {
  for (int64_t i = 0; i < count; i++) {
    const float sigmoid = gyro_sigmoid(gate[i]), silu = gate[i] * sigmoid;
    gate_gradient[i] = y_gradient[i] * up[i] * (sigmoid + silu * (1.0f - sigmoid));
    up_gradient[i] = y_gradient[i] * silu;
  }
}

GYRO_CLONES
static void differentiate_gate(const float *restrict gate, const float *restrict up,
                               const float *restrict y_gradient, int64_t count,
                               float *restrict gate_gradient) {
  for (int64_t i = 0; i < count; i++) {
    const float sigmoid = gyro_sigmoid(gate[i]), silu = gate[i] * sigmoid;
    gate_gradient[i] = y_gradient[i] * up[i] * (sigmoid + silu * (1.0f - sigmoid));
  }
}

GYRO_CLONES
static void differentiate_up(const float *restrict gate, const float *restrict y_gradient,
                             int64_t count, float *restrict up_gradient) {
  for (int64_t i = 0; i < count; i++)
    up_gradient[i] = y_gradient[i] * (gate[i] * gyro_sigmoid(gate[i]));
}

static void differentiate_range(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const SwiGLU *job = context;
  const int64_t count = end - begin;
  if (job->gate_gradient == NULL)
    differentiate_up(job->gate + begin, job->y_gradient + begin, count, job->up_gradient + begin);
  else if (job->up_gradient == NULL)
    differentiate_gate(job->gate + begin, job->up + begin, job->y_gradient + begin, count,
                       job->gate_gradient + begin);
  else
    differentiate(job->gate + begin, job->up + begin, job->y_gradient + begin, count,
                  job->gate_gradient + begin, job->up_gradient + begin);
}

void gyro_swiglu_backward(const float *gate, const float *up, const float *y_gradient,
                          int64_t count, float *gate_gradient, float *up_gradient) {
  if (gate_gradient == NULL && up_gradient == NULL) return;
  SwiGLU job = {.gate = gate, .up = up, .y_gradient = y_gradient, .gate_gradient = gate_gradient,
                .up_gradient = up_gradient};
  gyro_parallel_for(count, grain, differentiate_range, &job);
}
