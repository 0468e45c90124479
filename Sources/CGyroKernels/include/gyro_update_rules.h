#pragma once
#include <stdint.h>

// Optimizer steps over flat arrays, in place, one pass over memory.

/// AdamW with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2), as PyTorch orders it:
///   g = gradient · gradient_scale;  p *= 1 − rate·weight_decay
///   m += (g − m)(1 − beta1);  v = beta2·v + (1 − beta2)·g²
///   p −= rate / bias1 · m / (√v / √bias2 + epsilon)
/// where bias1 = 1 − beta1ᵗ and bias2 = 1 − beta2ᵗ. Scalars are worked out in double.
void gyro_adamw(float *parameter, const float *gradient, float *first, float *second,
                int64_t count, double rate, double beta1, double beta2, double epsilon,
                double weight_decay, double bias1, double bias2, double gradient_scale);

/// Stochastic gradient descent:
///   g = gradient · gradient_scale + weight_decay · p;  v = momentum · v + g
///   p −= rate · (nesterov ? g + momentum · v : v)
/// Without momentum `velocity` is null and v = g. A velocity that starts at zero equals PyTorch's.
void gyro_sgd(float *parameter, const float *gradient, float *velocity, int64_t count, double rate,
              double momentum, double weight_decay, int32_t nesterov, double gradient_scale);

/// target += (source − target) · weight: an exponential moving average.
void gyro_lerp(float *target, const float *source, int64_t count, double weight);
