#pragma once
#include <stdint.h>

/// Batch normalization of [images, channels, plane] (Ioffe and Szegedy, 2015):
/// y = (x − mean) / sqrt(variance + epsilon) · weight + bias per channel, then limited to
/// lower … upper (−infinity and infinity for no limit; 0 and infinity fuse a rectifier).
///
/// Sums run in 16 lanes over pieces of a plane and in double precision across pieces: the same
/// bits on every instruction set and for every number of threads.
struct gyro_batch_norm {
  int64_t images, channels, plane;
  float epsilon, lower, upper;
};

/// Normalizes by the statistics of the batch and writes them: `mean` [channels] and the biased
/// `variance` [channels]. With `result` NULL that is all: `weight` and `bias` are not read.
void gyro_batch_norm_forward(const struct gyro_batch_norm *shape, const float *source,
                             const float *weight, const float *bias, float *mean,
                             float *variance, float *result);

/// Normalizes by given statistics.
void gyro_batch_norm_apply(const struct gyro_batch_norm *shape, const float *source,
                           const float *weight, const float *bias, const float *mean,
                           const float *variance, float *result);

/// The gradients of all three inputs. With `through_statistics` the mean and variance are taken as
/// functions of the source (training), else as constants. `source_gradient` may be NULL.
void gyro_batch_norm_gradient(const struct gyro_batch_norm *shape, const float *source,
                              const float *weight, const float *bias, const float *mean,
                              const float *variance, const float *gradient,
                              int through_statistics, float *source_gradient,
                              float *weight_gradient, float *bias_gradient);
