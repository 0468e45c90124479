#pragma once
#include <stdint.h>

/// y = x / √(mean(x²) + epsilon) · weight, row by row (Zhang & Sennrich, 2019); `inverse` receives
/// 1 / √(…) of each row.
void gyro_rms_norm(const float *x, const float *weight, int64_t rows, int64_t columns,
                   float epsilon, float *y, float *inverse);

/// The gradients of x and of the weight (each may be NULL) given that of y. `partial` has room for
/// one row of `columns` per thread.
void gyro_rms_norm_backward(const float *x, const float *weight, const float *inverse,
                            const float *y_gradient, int64_t rows, int64_t columns,
                            float *x_gradient, float *weight_gradient, float *partial);

/// y = (x − mean) / √(variance + epsilon) · weight + bias, row by row (Ba et al., 2016); `mean` and
/// `inverse` receive the mean and 1 / √(…) of each row.
void gyro_layer_norm(const float *x, const float *weight, const float *bias, int64_t rows,
                     int64_t columns, float epsilon, float *y, float *mean, float *inverse);

/// The gradients of x, weight and bias (each may be NULL) given that of y. `partial` has room for
/// two rows of `columns` per thread.
void gyro_layer_norm_backward(const float *x, const float *weight, const float *mean,
                              const float *inverse, const float *y_gradient, int64_t rows,
                              int64_t columns, float *x_gradient, float *weight_gradient,
                              float *bias_gradient, float *partial);
