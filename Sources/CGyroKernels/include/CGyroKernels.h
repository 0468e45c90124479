#pragma once
// All kernels, one header per family. Pointers are to contiguous, row-major Float32 unless said
// otherwise; no kernel allocates on its hot path; loops are shared out by gyro_parallel_for.
#include "gyro_copy.h"
#include "gyro_quantize_int8.h"
#include "gyro_convert.h"
#include "gyro_elementwise.h"
#include "gyro_reduce.h"
#include "gyro_update_rules.h"
#include "gyro_convolution.h"
#include "gyro_pooling.h"
#include "gyro_batch_norm.h"
#include "gyro_softmax.h"
#include "gyro_cross_entropy.h"
#include "gyro_embedding.h"
#include "gyro_attention.h"
#include "gyro_normalization.h"
#include "gyro_rope.h"
#include "gyro_swiglu.h"
