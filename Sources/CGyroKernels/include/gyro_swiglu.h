#pragma once
#include <stdint.h>

/// y = gate · sigmoid(gate) · up (Shazeer, 2020).
void gyro_swiglu(const float *gate, const float *up, int64_t count, float *y);

/// The gradients of gate and up (each may be NULL) given that of y, in one pass.
void gyro_swiglu_backward(const float *gate, const float *up, const float *y_gradient,
                          int64_t count, float *gate_gradient, float *up_gradient);
