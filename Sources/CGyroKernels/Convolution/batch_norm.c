#include "gyro_batch_norm.h"

#include <math.h>

#include "gyro_clones.h"
#include "gyro_convolution.h"
#include "gyro_lanes.h"
#include "gyro_parallel.h"

#pragma STDC FP_CONTRACT OFF

/// Elements that are summed in float before the sum moves to double.
enum { piece = 4096 };

typedef struct {
  const struct gyro_batch_norm *shape;
  const float *source, *weight, *bias, *gradient;
  const float *known_mean, *known_variance;
  float *mean, *variance, *result, *weight_gradient, *bias_gradient;
  int through_statistics;
} Job;

/// The affine map of one channel: y = (x − mean) · factor + bias.
typedef struct {
  float mean, factor, bias, lower, upper;
} Map;

static Map map_of(const Job *job, int64_t channel, float mean, double variance) {
  const struct gyro_batch_norm *s = job->shape;
  return (Map){mean, (float)(job->weight[channel] / sqrt(variance + s->epsilon)),
               job->bias[channel], s->lower, s->upper};
}

static int is_limited(const struct gyro_batch_norm *s) {
  return s->lower > -INFINITY || s->upper < INFINITY;
}

/// Adds Σ (x − shift) and Σ (x − shift)² over at most `piece` elements.
GYRO_CLONES
static void add_moments(const float *x, int64_t count, float shift, double *sum, double *squares) {
  gyro_lanes total = {0}, square = {0};
  int64_t i = 0;
  for (; i + gyro_lane_count <= count; i += gyro_lane_count) {
    gyro_lanes value;
    GYRO_LOAD(value, x + i);
    value -= shift;
    total += value;
    square += value * value;
  }
  float a, b;
  GYRO_TREE_SUM(a, total);
  GYRO_TREE_SUM(b, square);
  for (; i < count; i++) {
    float value = x[i] - shift;
    a += value;
    b += value * value;
  }
  *sum += a;
  *squares += b;
}

/// Adds Σ g and Σ g · (x − mean), where g is the gradient of what was not limited.
GYRO_INLINE void add_products(const int limited, const float *x, const float *gradient,
                              int64_t count, const Map *map, double *sum, double *products) {
  gyro_lanes total = {0}, product = {0};
  const float mean = map->mean, factor = map->factor, bias = map->bias;
  int64_t i = 0;
  for (; i + gyro_lane_count <= count; i += gyro_lane_count) {
    gyro_lanes value, g;
    GYRO_LOAD(value, x + i);
    GYRO_LOAD(g, gradient + i);
    value -= mean;
    if (limited) {
      gyro_lanes y = value * factor + bias;
      g = (gyro_lanes)((gyro_lanes_bits)g & (y > map->lower) & (y < map->upper));
    }
    total += g;
    product += g * value;
  }
  float a, b;
  GYRO_TREE_SUM(a, total);
  GYRO_TREE_SUM(b, product);
  for (; i < count; i++) {
    float value = x[i] - mean, y = value * factor + bias;
    float g = !limited || (y > map->lower && y < map->upper) ? gradient[i] : 0;
    a += g;
    b += g * value;
  }
  *sum += a;
  *products += b;
}

GYRO_CLONES
static void add_free_products(const float *x, const float *gradient, int64_t count,
                              const Map *map, double *sum, double *products) {
  add_products(0, x, gradient, count, map, sum, products);
}

GYRO_CLONES
static void add_limited_products(const float *x, const float *gradient, int64_t count,
                                 const Map *map, double *sum, double *products) {
  add_products(1, x, gradient, count, map, sum, products);
}

GYRO_CLONES
static void normalize(const float *x, int64_t count, const Map *map, float *result) {
  const float mean = map->mean, factor = map->factor, bias = map->bias;
  const float lower = map->lower, upper = map->upper;
  GYRO_ELEMENTWISE
  for (int64_t i = 0; i < count; i++) {
    float y = (x[i] - mean) * factor + bias;
    y = y < lower ? lower : y;
    result[i] = y > upper ? upper : y;
  }
}

/// result = factor · (g − constant − (x − mean) · slope), g as above.
GYRO_INLINE void spread(const int limited, const float *x, const float *gradient, int64_t count,
                        const Map *map, float constant, float slope, float *result) {
  const float mean = map->mean, factor = map->factor, bias = map->bias;
  const float lower = map->lower, upper = map->upper;
  GYRO_ELEMENTWISE
  for (int64_t i = 0; i < count; i++) {
    float value = x[i] - mean, g = gradient[i];
    if (limited) {
      float y = value * factor + bias;
      g = ((y > lower) & (y < upper)) ? g : 0;
    }
    result[i] = factor * (g - constant - value * slope);
  }
}

GYRO_CLONES
static void spread_free(const float *x, const float *gradient, int64_t count, const Map *map,
                        float constant, float slope, float *result) {
  spread(0, x, gradient, count, map, constant, slope, result);
}

GYRO_CLONES
static void spread_limited(const float *x, const float *gradient, int64_t count, const Map *map,
                           float constant, float slope, float *result) {
  spread(1, x, gradient, count, map, constant, slope, result);
}

/// Both passes over a channel follow each other, so that the second finds it in the cache.
static void forward_channels(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Job *job = context;
  const struct gyro_batch_norm *s = job->shape;
  double count = (double)s->images * (double)s->plane;
  for (int64_t channel = begin; channel < end; channel++) {
    const float *x = job->source + channel * s->plane;
    int64_t stride = s->channels * s->plane;
    // Sums of squares about a value near the mean lose nothing to cancellation.
    double sum = 0, squares = 0;
    int64_t sample = s->plane < piece ? s->plane : piece;
    add_moments(x, sample, 0, &sum, &squares);
    float shift = (float)(sum / (double)sample);
    sum = squares = 0;
    for (int64_t image = 0; image < s->images; image++)
      for (int64_t i = 0; i < s->plane; i += piece)
        add_moments(x + image * stride + i, s->plane - i < piece ? s->plane - i : piece, shift,
                    &sum, &squares);
    double offset = sum / count, variance = squares / count - offset * offset;
    if (variance < 0) variance = 0;
    job->mean[channel] = (float)(shift + offset);
    job->variance[channel] = (float)variance;
    if (!job->result) continue;
    Map map = map_of(job, channel, job->mean[channel], job->variance[channel]);
    for (int64_t image = 0; image < s->images; image++)
      normalize(x + image * stride, s->plane, &map,
                job->result + channel * s->plane + image * stride);
  }
}

void gyro_batch_norm_forward(const struct gyro_batch_norm *shape, const float *source,
                             const float *weight, const float *bias, float *mean,
                             float *variance, float *result) {
  Job job = {.shape = shape, .source = source, .weight = weight, .bias = bias, .mean = mean,
             .variance = variance, .result = result};
  gyro_parallel_for_dynamic(shape->channels, 1, forward_channels, &job);
}

static void apply_planes(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Job *job = context;
  const struct gyro_batch_norm *s = job->shape;
  for (int64_t index = begin; index < end; index++) {
    int64_t channel = index % s->channels;
    Map map = map_of(job, channel, job->known_mean[channel], job->known_variance[channel]);
    normalize(job->source + index * s->plane, s->plane, &map, job->result + index * s->plane);
  }
}

void gyro_batch_norm_apply(const struct gyro_batch_norm *shape, const float *source,
                           const float *weight, const float *bias, const float *mean,
                           const float *variance, float *result) {
  Job job = {.shape = shape, .source = source, .weight = weight, .bias = bias,
             .known_mean = mean, .known_variance = variance, .result = result};
  gyro_parallel_for(shape->images * shape->channels, 1 + 16384 / (shape->plane + 1),
                    apply_planes, &job);
}

static void gradient_channels(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Job *job = context;
  const struct gyro_batch_norm *s = job->shape;
  double count = (double)s->images * (double)s->plane;
  int limited = is_limited(s);
  for (int64_t channel = begin; channel < end; channel++) {
    int64_t stride = s->channels * s->plane, first = channel * s->plane;
    double variance = job->known_variance[channel];
    Map map = map_of(job, channel, job->known_mean[channel], variance);
    double sum = 0, products = 0;
    for (int64_t image = 0; image < s->images; image++)
      for (int64_t i = 0; i < s->plane; i += piece) {
        int64_t place = first + image * stride + i;
        int64_t length = s->plane - i < piece ? s->plane - i : piece;
        (limited ? add_limited_products : add_free_products)(
            job->source + place, job->gradient + place, length, &map, &sum, &products);
      }
    double precision = 1 / (variance + s->epsilon);
    job->weight_gradient[channel] = (float)(products * sqrt(precision));
    job->bias_gradient[channel] = (float)sum;
    if (!job->result) continue;
    float constant = job->through_statistics ? (float)(sum / count) : 0;
    float slope = job->through_statistics ? (float)(products * precision / count) : 0;
    for (int64_t image = 0; image < s->images; image++) {
      int64_t place = first + image * stride;
      (limited ? spread_limited : spread_free)(job->source + place, job->gradient + place,
                                               s->plane, &map, constant, slope,
                                               job->result + place);
    }
  }
}

void gyro_batch_norm_gradient(const struct gyro_batch_norm *shape, const float *source,
                              const float *weight, const float *bias, const float *mean,
                              const float *variance, const float *gradient,
                              int through_statistics, float *source_gradient,
                              float *weight_gradient, float *bias_gradient) {
  Job job = {.shape = shape, .source = source, .weight = weight, .bias = bias,
             .known_mean = mean, .known_variance = variance, .gradient = gradient,
             .result = source_gradient, .weight_gradient = weight_gradient,
             .bias_gradient = bias_gradient, .through_statistics = through_statistics};
  gyro_parallel_for_dynamic(shape->channels, 1, gradient_channels, &job);
}

static void sum_channels(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Job *job = context;
  const struct gyro_batch_norm *s = job->shape;
  for (int64_t channel = begin; channel < end; channel++) {
    double sum = 0, squares = 0;
    for (int64_t image = 0; image < s->images; image++)
      for (int64_t i = 0; i < s->plane; i += piece)
        add_moments(job->source + (image * s->channels + channel) * s->plane + i,
                    s->plane - i < piece ? s->plane - i : piece, 0, &sum, &squares);
    job->result[channel] = (float)sum;
  }
}

void gyro_channel_sums(int64_t images, int64_t channels, int64_t plane, const float *source,
                       float *sums) {
  struct gyro_batch_norm shape = {.images = images, .channels = channels, .plane = plane};
  Job job = {.shape = &shape, .source = source, .result = sums};
  gyro_parallel_for_dynamic(channels, 1, sum_channels, &job);
}
