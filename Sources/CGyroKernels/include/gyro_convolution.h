#pragma once
#include <stdint.h>

/// A two-dimensional convolution (a correlation, as in all neural network libraries).
/// Input [images, channels, height, width], weight [filters, channels / groups, kernel_height,
/// kernel_width], result [images, filters, result_height, result_width] with
/// result_height = (height + 2 · padding_y − kernel_height) / stride_y + 1, width likewise.
struct gyro_convolution {
  int64_t images, channels, height, width;
  int64_t filters, kernel_height, kernel_width;
  int64_t stride_y, stride_x, padding_y, padding_x, groups;
  int64_t result_height, result_width;
};

/// Fused multiply-add is used where the processor has it, so results differ between instruction
/// sets like those of the matrix product. They do not depend on the number of threads, except for
/// the weight gradient, which adds one partial sum per thread, in order.

/// Bytes of scratch memory (64-byte aligned) that the three functions below need.
int64_t gyro_convolution_scratch(const struct gyro_convolution *shape);

/// result = input ∗ weight + bias. `bias` [filters] may be NULL.
void gyro_convolution_forward(const struct gyro_convolution *shape, const float *input,
                              const float *weight, const float *bias, float *result,
                              void *scratch);

/// input_gradient = gradient ∗ᵀ weight.
void gyro_convolution_input_gradient(const struct gyro_convolution *shape, const float *gradient,
                                     const float *weight, float *input_gradient, void *scratch);

/// weight_gradient[o, c, y, x] = Σ gradient · shifted input, over images and places.
void gyro_convolution_weight_gradient(const struct gyro_convolution *shape, const float *input,
                                      const float *gradient, float *weight_gradient,
                                      void *scratch);

/// sums[c] = Σ of all elements of channel c of [images, channels, plane], in double precision:
/// the gradient of a bias.
void gyro_channel_sums(int64_t images, int64_t channels, int64_t plane, const float *source,
                       float *sums);

/// Plain loops in double precision, slow. `sums` is scratch memory of
/// `gyro_reference_convolution_scratch` bytes.
int64_t gyro_reference_convolution_scratch(const struct gyro_convolution *shape);
void gyro_reference_convolution_forward(const struct gyro_convolution *shape, const float *input,
                                        const float *weight, const float *bias, float *result,
                                        double *sums);
void gyro_reference_convolution_input_gradient(const struct gyro_convolution *shape,
                                               const float *gradient, const float *weight,
                                               float *input_gradient, double *sums);
void gyro_reference_convolution_weight_gradient(const struct gyro_convolution *shape,
                                                const float *input, const float *gradient,
                                                float *weight_gradient, double *sums);
