#include "gyro_update_rules.h"

#include <math.h>
#include <stddef.h>

#include "gyro_clones.h"
#include "gyro_lanes.h"
#include "gyro_parallel.h"

#pragma STDC FP_CONTRACT OFF

enum { grain = 16384 };

typedef struct {
  float *parameter;
  const float *gradient;
  float *first, *second;
  float keep, first_weight, beta2, second_weight, root_scale, epsilon, step, gradient_scale;
} AdamW;

GYRO_CLONES
static void adamw_range(float *p, const float *gradient, float *m, float *v, int64_t count,
                        const AdamW *rule) {
  float keep = rule->keep, first_weight = rule->first_weight, beta2 = rule->beta2;
  float second_weight = rule->second_weight, root_scale = rule->root_scale;
  float epsilon = rule->epsilon, step = rule->step, gradient_scale = rule->gradient_scale;
  GYRO_ELEMENTWISE
  for (int64_t i = 0; i < count; i++) {
    float g = gradient[i] * gradient_scale;
    float first = m[i] + (g - m[i]) * first_weight;
    float second = beta2 * v[i] + second_weight * (g * g);
    m[i] = first;
    v[i] = second;
    p[i] = p[i] * keep - step * (first / (GYRO_SQRT(second) / root_scale + epsilon));
  }
}

static void adamw_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const AdamW *rule = context;
  adamw_range(rule->parameter + begin, rule->gradient + begin, rule->first + begin,
              rule->second + begin, end - begin, rule);
}

void gyro_adamw(float *parameter, const float *gradient, float *first, float *second,
                int64_t count, double rate, double beta1, double beta2, double epsilon,
                double weight_decay, double bias1, double bias2, double gradient_scale) {
  AdamW rule = {
      .parameter = parameter,
      .gradient = gradient,
      .first = first,
      .second = second,
      .keep = (float)(1 - rate * weight_decay),
      .first_weight = (float)(1 - beta1),
      .beta2 = (float)beta2,
      .second_weight = (float)(1 - beta2),
      .root_scale = (float)sqrt(bias2),
      .epsilon = (float)epsilon,
      .step = (float)(rate / bias1),
      .gradient_scale = (float)gradient_scale,
  };
  gyro_parallel_for(count, grain, adamw_body, &rule);
}

typedef struct {
  float *parameter;
  const float *gradient;
  float *velocity;
  float rate, momentum, weight_decay, gradient_scale;
  int32_t nesterov;
} Descent;

GYRO_CLONES
static void descend_plain(float *p, const float *gradient, int64_t count, float rate,
                          float weight_decay, float gradient_scale) {
  GYRO_ELEMENTWISE
  for (int64_t i = 0; i < count; i++) {
    float g = gradient[i] * gradient_scale + weight_decay * p[i];
    p[i] -= rate * g;
  }
}

GYRO_CLONES
static void descend_with_momentum(float *p, const float *gradient, float *velocity, int64_t count,
                                  const Descent *rule) {
  float rate = rule->rate, momentum = rule->momentum, weight_decay = rule->weight_decay;
  float gradient_scale = rule->gradient_scale;
  if (rule->nesterov) {
    GYRO_ELEMENTWISE
    for (int64_t i = 0; i < count; i++) {
      float g = gradient[i] * gradient_scale + weight_decay * p[i];
      float v = momentum * velocity[i] + g;
      velocity[i] = v;
      p[i] -= rate * (g + momentum * v);
    }
  } else {
    GYRO_ELEMENTWISE
    for (int64_t i = 0; i < count; i++) {
      float g = gradient[i] * gradient_scale + weight_decay * p[i];
      float v = momentum * velocity[i] + g;
      velocity[i] = v;
      p[i] -= rate * v;
    }
  }
}

static void descent_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Descent *rule = context;
  if (rule->velocity)
    descend_with_momentum(rule->parameter + begin, rule->gradient + begin, rule->velocity + begin,
                          end - begin, rule);
  else
    descend_plain(rule->parameter + begin, rule->gradient + begin, end - begin, rule->rate,
                  rule->weight_decay, rule->gradient_scale);
}

void gyro_sgd(float *parameter, const float *gradient, float *velocity, int64_t count, double rate,
              double momentum, double weight_decay, int32_t nesterov, double gradient_scale) {
  Descent rule = {
      .parameter = parameter,
      .gradient = gradient,
      .velocity = velocity,
      .rate = (float)rate,
      .momentum = (float)momentum,
      .weight_decay = (float)weight_decay,
      .gradient_scale = (float)gradient_scale,
      .nesterov = nesterov,
  };
  gyro_parallel_for(count, grain, descent_body, &rule);
}

typedef struct {
  float *target;
  const float *source;
  float weight;
} Lerp;

GYRO_CLONES
static void lerp_range(float *target, const float *source, int64_t count, float weight) {
  GYRO_ELEMENTWISE
  for (int64_t i = 0; i < count; i++) target[i] += (source[i] - target[i]) * weight;
}

static void lerp_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Lerp *job = context;
  lerp_range(job->target + begin, job->source + begin, end - begin, job->weight);
}

void gyro_lerp(float *target, const float *source, int64_t count, double weight) {
  Lerp job = {target, source, (float)weight};
  gyro_parallel_for(count, grain, lerp_body, &job);
}
