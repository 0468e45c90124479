#include "gyro_elementwise.h"

#include "gyro_clones.h"
#include "gyro_math.h"
#include "gyro_parallel.h"

#pragma STDC FP_CONTRACT OFF

enum { cheap_grain = 16384, costly_grain = 4096 };

// MARK: Functions of one number

typedef void (*unary_range)(const float *x, int64_t count, float *out);
typedef void (*gradient_range)(const float *x, const float *dy, int64_t count, float *out);

/// One function and its derivative as loops over ranges; both expressions are of `v`.
#define UNARY(name, value, derivative)                                                        \
  GYRO_CLONES static void name##_range(const float *x, int64_t count, float *out) {           \
    GYRO_ELEMENTWISE                                                                          \
    for (int64_t i = 0; i < count; i++) {                                                     \
      float v = x[i];                                                                         \
      out[i] = (value);                                                                       \
    }                                                                                         \
  }                                                                                           \
  GYRO_CLONES static void name##_gradient(const float *x, const float *dy, int64_t count,     \
                                          float *out) {                                       \
    GYRO_ELEMENTWISE                                                                          \
    for (int64_t i = 0; i < count; i++) {                                                     \
      float v = x[i];                                                                         \
      (void)v;                                                                                \
      out[i] = dy[i] * (derivative);                                                          \
    }                                                                                         \
  }

GYRO_INLINE float tanh_derivative(float x) {
  float t = gyro_tanh(x);
  return 1.0f - t * t;
}

GYRO_INLINE float sigmoid_derivative(float x) {
  float s = gyro_sigmoid(x);
  return s * (1.0f - s);
}

UNARY(negate, -v, -1.0f)
UNARY(absolute, gyro_absolute(v), (v > 0.0f ? 1.0f : v < 0.0f ? -1.0f : 0.0f))
UNARY(square, v *v, 2.0f * v)
UNARY(square_root, GYRO_SQRT(v), 0.5f / GYRO_SQRT(v))
UNARY(exp, gyro_exp(v), gyro_exp(v))
UNARY(log, gyro_log(v), 1.0f / v)
UNARY(tanh, gyro_tanh(v), tanh_derivative(v))
UNARY(erf, gyro_erf(v), 0x1.20dd75p+0f * gyro_exp_nonpositive(-v * v))
UNARY(sigmoid, gyro_sigmoid(v), sigmoid_derivative(v))
UNARY(silu, gyro_silu(v), gyro_silu_derivative(v))
UNARY(gelu, gyro_gelu(v), gyro_gelu_derivative(v))
UNARY(gelu_tanh, gyro_gelu_tanh(v), gyro_gelu_tanh_derivative(v))
// Written so that NaN passes through.
UNARY(relu, (v < 0.0f ? 0.0f : v), (v > 0.0f ? 1.0f : 0.0f))
UNARY(relu6, (v < 0.0f ? 0.0f : v > 6.0f ? 6.0f : v), (v > 0.0f && v < 6.0f ? 1.0f : 0.0f))
UNARY(round, gyro_round(v), 0.0f)

static const struct {
  unary_range range;
  gradient_range gradient;
  int64_t grain;
} unary_table[] = {
    [GYRO_NEGATE] = {negate_range, negate_gradient, cheap_grain},
    [GYRO_ABSOLUTE] = {absolute_range, absolute_gradient, cheap_grain},
    [GYRO_SQUARE] = {square_range, square_gradient, cheap_grain},
    [GYRO_SQUARE_ROOT] = {square_root_range, square_root_gradient, cheap_grain},
    [GYRO_EXP] = {exp_range, exp_gradient, costly_grain},
    [GYRO_LOG] = {log_range, log_gradient, costly_grain},
    [GYRO_TANH] = {tanh_range, tanh_gradient, costly_grain},
    [GYRO_ERF] = {erf_range, erf_gradient, costly_grain},
    [GYRO_SIGMOID] = {sigmoid_range, sigmoid_gradient, costly_grain},
    [GYRO_SILU] = {silu_range, silu_gradient, costly_grain},
    [GYRO_GELU] = {gelu_range, gelu_gradient, costly_grain},
    [GYRO_GELU_TANH] = {gelu_tanh_range, gelu_tanh_gradient, costly_grain},
    [GYRO_RELU] = {relu_range, relu_gradient, cheap_grain},
    [GYRO_RELU6] = {relu6_range, relu6_gradient, cheap_grain},
    [GYRO_ROUND] = {round_range, round_gradient, cheap_grain},
};

typedef struct {
  unary_range range;
  gradient_range gradient;
  const float *x, *cotangent;
  float *destination;
} Unary;

static void unary_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Unary *job = context;
  job->range(job->x + begin, end - begin, job->destination + begin);
}

static void gradient_body(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Unary *job = context;
  job->gradient(job->x + begin, job->cotangent + begin, end - begin, job->destination + begin);
}

void gyro_unary(enum gyro_unary_op op, const float *x, int64_t count, float *destination) {
  Unary job = {.range = unary_table[op].range, .x = x, .destination = destination};
  gyro_parallel_for(count, unary_table[op].grain, unary_body, &job);
}

void gyro_unary_gradient(enum gyro_unary_op op, const float *x, const float *cotangent,
                         int64_t count, float *destination) {
  Unary job = {.gradient = unary_table[op].gradient,
               .x = x,
               .cotangent = cotangent,
               .destination = destination};
  gyro_parallel_for(count, unary_table[op].grain, gradient_body, &job);
}

// MARK: Functions with constants

typedef struct {
  const float *x, *y;
  float *destination;
  float first, second;
} Scaled;

/// A loop with two array operands `v`, `w` (the second may be unused) and constants `f`, `s`.
#define SCALED(name, read_second, value)                                                      \
  GYRO_CLONES static void name##_range(const float *x, const float *y, int64_t count, float f, \
                                       float s, float *out) {                                 \
    (void)y, (void)f, (void)s;                                                                \
    GYRO_ELEMENTWISE                                                                          \
    for (int64_t i = 0; i < count; i++) {                                                     \
      float v = x[i], w = (read_second);                                                      \
      (void)w;                                                                                \
      out[i] = (value);                                                                       \
    }                                                                                         \
  }                                                                                           \
  static void name##_body(void *context, int64_t begin, int64_t end, int thread) {            \
    (void)thread;                                                                             \
    const Scaled *job = context;                                                              \
    name##_range(job->x + begin, job->y ? job->y + begin : 0, end - begin, job->first,        \
                 job->second, job->destination + begin);                                      \
  }

SCALED(affine, 0.0f, v *f + s)
SCALED(scale, 0.0f, v *f)
SCALED(divide_into, 0.0f, f / v)
SCALED(add_scaled, y[i], v + w * f)
SCALED(scaled_difference, y[i], (v - w) * f)
SCALED(clamp, 0.0f, (v < f ? f : v > s ? s : v))
SCALED(clamp_gradient, y[i], (v >= f && v <= s ? w : 0.0f))

void gyro_affine(const float *x, int64_t count, float factor, float term, float *destination) {
  Scaled job = {x, 0, destination, factor, term};
  // Without a term the sign of a zero must stay: −0 + 0 would lose it.
  gyro_parallel_for(count, cheap_grain, term == 0.0f ? scale_body : affine_body, &job);
}

void gyro_divide_into(float numerator, const float *x, int64_t count, float *destination) {
  Scaled job = {x, 0, destination, numerator, 0};
  gyro_parallel_for(count, cheap_grain, divide_into_body, &job);
}

void gyro_add_scaled(float *target, const float *source, int64_t count, float factor) {
  Scaled job = {target, source, target, factor, 0};
  gyro_parallel_for(count, cheap_grain, add_scaled_body, &job);
}

void gyro_scaled_difference(const float *a, const float *b, int64_t count, float factor,
                            float *destination) {
  Scaled job = {a, b, destination, factor, 0};
  gyro_parallel_for(count, cheap_grain, scaled_difference_body, &job);
}

void gyro_clamp(const float *x, int64_t count, float low, float high, float *destination) {
  Scaled job = {x, 0, destination, low, high};
  gyro_parallel_for(count, cheap_grain, clamp_body, &job);
}

void gyro_clamp_gradient(const float *x, const float *cotangent, int64_t count, float low,
                         float high, float *destination) {
  Scaled job = {x, cotangent, destination, low, high};
  gyro_parallel_for(count, cheap_grain, clamp_gradient_body, &job);
}
