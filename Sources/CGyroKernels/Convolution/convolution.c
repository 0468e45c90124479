#include "convolution.h"

#include <string.h>


struct correlation gyro_forward_correlation(const struct gyro_convolution *s) {
  struct correlation c = {
      .planes = {.images = s->images, .height = s->height, .width = s->width,
                 .kernel_height = s->kernel_height, .kernel_width = s->kernel_width,
                 .stride_y = s->stride_y, .stride_x = s->stride_x,
                 .top = s->padding_y, .left = s->padding_x,
                 .result_height = s->result_height, .result_width = s->result_width},
      .channels = s->channels / s->groups, .filters = s->filters / s->groups,
      .groups = s->groups, .step_y = 1, .step_x = 1};
  int64_t taps = s->kernel_height * s->kernel_width;
  int64_t plane = s->height * s->width, result = s->result_height * s->result_width;
  c.source_image = s->channels * plane;
  c.source_group = c.channels * plane;
  c.weight_row = s->kernel_width;
  c.weight_channel = taps;
  c.weight_filter = c.channels * taps;
  c.weight_group = c.filters * c.weight_filter;
  c.results = (struct flat_results){NULL, s->filters * result, result, s->result_width, 1};
  c.results_group = c.filters * result;
  return c;
}

/// Places of one axis that a phase of the input gradient covers. Row i of the input gets
/// Σ_j gradient[place − j] · weight[phase + stride · j], place = (i + padding) / stride: a
/// correlation with the taps in reverse order.
struct axis {
  int64_t first, count, taps, leading;
};

static struct axis phase_axis(int64_t phase, int64_t stride, int64_t padding, int64_t kernel,
                              int64_t extent) {
  struct axis axis;
  axis.first = ((phase - padding) % stride + stride) % stride;
  axis.count = axis.first < extent ? (extent - axis.first + stride - 1) / stride : 0;
  axis.taps = phase < kernel ? (kernel - phase + stride - 1) / stride : 0;
  axis.leading = axis.taps - 1 - (axis.first + padding) / stride;
  return axis;
}

struct correlation gyro_input_gradient_correlation(const struct gyro_convolution *s,
                                                   int64_t phase) {
  int64_t phase_y = phase / s->stride_x, phase_x = phase % s->stride_x;
  struct axis y = phase_axis(phase_y, s->stride_y, s->padding_y, s->kernel_height, s->height);
  struct axis x = phase_axis(phase_x, s->stride_x, s->padding_x, s->kernel_width, s->width);
  struct correlation c = {
      .planes = {.images = s->images, .height = s->result_height, .width = s->result_width,
                 .kernel_height = y.taps, .kernel_width = x.taps, .stride_y = 1, .stride_x = 1,
                 .top = y.leading, .left = x.leading, .result_height = y.count,
                 .result_width = x.count},
      .channels = s->filters / s->groups, .filters = s->channels / s->groups,
      .groups = s->groups};
  int64_t taps = s->kernel_height * s->kernel_width;
  int64_t plane = s->height * s->width, result = s->result_height * s->result_width;
  c.source_image = s->filters * result;
  c.source_group = c.channels * result;
  c.weight_row = s->kernel_width;
  c.weight_filter = taps;
  c.weight_channel = c.filters * taps;
  c.weight_group = c.channels * c.weight_channel;
  c.first_y = phase_y + s->stride_y * (y.taps - 1);
  c.first_x = phase_x + s->stride_x * (x.taps - 1);
  c.step_y = -s->stride_y;
  c.step_x = -s->stride_x;
  c.results = (struct flat_results){NULL, s->channels * plane, plane, s->stride_y * s->width,
                                    s->stride_x};
  c.results_group = c.filters * plane;
  c.results_offset = y.first * s->width + x.first;
  return c;
}

static int64_t scratch_of(const struct gyro_convolution *shape, struct correlation *correlation) {
  return gyro_is_depthwise(shape) ? gyro_depthwise_scratch(correlation)
                                  : gyro_correlation_scratch(correlation);
}

static void run(const struct gyro_convolution *shape, struct correlation *correlation,
                void *scratch) {
  if (gyro_is_depthwise(shape)) {
    gyro_run_depthwise(correlation, scratch);
  } else {
    gyro_run_correlation(correlation, scratch);
  }
}

static int is_empty(const struct correlation *c) {
  return c->planes.kernel_height == 0 || c->planes.kernel_width == 0 ||
         c->planes.result_height == 0 || c->planes.result_width == 0;
}

int64_t gyro_convolution_scratch(const struct gyro_convolution *s) {
  struct correlation forward = gyro_forward_correlation(s);
  int64_t most = scratch_of(s, &forward);
  for (int64_t phase = 0; phase < s->stride_y * s->stride_x; phase++) {
    struct correlation part = gyro_input_gradient_correlation(s, phase);
    if (is_empty(&part)) continue;
    int64_t bytes = scratch_of(s, &part);
    if (bytes > most) most = bytes;
  }
  int64_t bytes = gyro_is_depthwise(s) ? gyro_depthwise_weight_scratch(s)
                                       : gyro_weight_gradient_scratch(s);
  return bytes > most ? bytes : most;
}

void gyro_convolution_forward(const struct gyro_convolution *s, const float *input,
                              const float *weight, const float *bias, float *result,
                              void *scratch) {
  if (s->images == 0) return;
  struct correlation c = gyro_forward_correlation(s);
  c.source = input;
  c.weight = weight;
  c.bias = bias;
  c.results.data = result;
  run(s, &c, scratch);
}

void gyro_convolution_input_gradient(const struct gyro_convolution *s, const float *gradient,
                                     const float *weight, float *input_gradient, void *scratch) {
  if (s->images == 0) return;
  if (s->kernel_height < s->stride_y || s->kernel_width < s->stride_x) {
    // Places that no tap reads.
    int64_t count = s->images * s->channels * s->height * s->width;
    memset(input_gradient, 0, (size_t)count * sizeof(float));
  }
  for (int64_t phase = 0; phase < s->stride_y * s->stride_x; phase++) {
    struct correlation c = gyro_input_gradient_correlation(s, phase);
    if (is_empty(&c)) continue;
    c.source = gradient;
    c.weight = weight;
    c.results.data = input_gradient;
    run(s, &c, scratch);
  }
}
