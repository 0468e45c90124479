#include <string.h>

#include "gyro_convolution.h"

// The definition, one product at a time.

#pragma STDC FP_CONTRACT OFF

/// Calls `VISIT` with indices of an input element, a weight and a result that belong together.
#define EACH_PRODUCT(s, VISIT)                                                                 \
  for (int64_t n = 0; n < s->images; n++)                                                      \
    for (int64_t o = 0; o < s->filters; o++)                                                   \
      for (int64_t v = 0; v < s->result_height; v++)                                           \
        for (int64_t u = 0; u < s->result_width; u++)                                          \
          for (int64_t c = 0; c < s->channels / s->groups; c++)                                \
            for (int64_t y = 0; y < s->kernel_height; y++)                                     \
              for (int64_t x = 0; x < s->kernel_width; x++) {                                  \
                int64_t row = v * s->stride_y + y - s->padding_y;                              \
                int64_t column = u * s->stride_x + x - s->padding_x;                           \
                if (row < 0 || row >= s->height || column < 0 || column >= s->width) continue; \
                int64_t per_group = s->channels / s->groups;                                   \
                int64_t channel = o / (s->filters / s->groups) * per_group + c;                \
                int64_t in = ((n * s->channels + channel) * s->height + row) * s->width + column; \
                int64_t w = ((o * per_group + c) * s->kernel_height + y) * s->kernel_width + x; \
                int64_t out = ((n * s->filters + o) * s->result_height + v) * s->result_width + u; \
                VISIT                                                                          \
              }

static void round_all(const double *sums, int64_t count, float *result) {
  for (int64_t i = 0; i < count; i++) result[i] = (float)sums[i];
}

int64_t gyro_reference_convolution_scratch(const struct gyro_convolution *s) {
  int64_t in = s->images * s->channels * s->height * s->width;
  int64_t out = s->images * s->filters * s->result_height * s->result_width;
  int64_t weight = s->filters * (s->channels / s->groups) * s->kernel_height * s->kernel_width;
  int64_t most = in > out ? in : out;
  return (most > weight ? most : weight) * 8;
}

void gyro_reference_convolution_forward(const struct gyro_convolution *s, const float *input,
                                        const float *weight, const float *bias, float *result,
                                        double *sums) {
  int64_t plane = s->result_height * s->result_width, count = s->images * s->filters * plane;
  for (int64_t i = 0; i < count; i++) sums[i] = bias ? bias[i / plane % s->filters] : 0;
  EACH_PRODUCT(s, sums[out] += (double)input[in] * weight[w];)
  round_all(sums, count, result);
}

void gyro_reference_convolution_input_gradient(const struct gyro_convolution *s,
                                               const float *gradient, const float *weight,
                                               float *input_gradient, double *sums) {
  int64_t count = s->images * s->channels * s->height * s->width;
  memset(sums, 0, (size_t)count * sizeof *sums);
  EACH_PRODUCT(s, sums[in] += (double)gradient[out] * weight[w];)
  round_all(sums, count, input_gradient);
}

void gyro_reference_convolution_weight_gradient(const struct gyro_convolution *s,
                                                const float *input, const float *gradient,
                                                float *weight_gradient, double *sums) {
  int64_t count = s->filters * (s->channels / s->groups) * s->kernel_height * s->kernel_width;
  memset(sums, 0, (size_t)count * sizeof *sums);
  EACH_PRODUCT(s, sums[w] += (double)gradient[out] * input[in];)
  round_all(sums, count, weight_gradient);
}
