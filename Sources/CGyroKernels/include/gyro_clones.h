#pragma once
// One source, several instruction sets: the loader picks the clone at run time, so no build flags
// are needed. Contraction into fused multiply-adds is off in every kernel file, so that the clones
// give the same bits; sums run in 16 fixed lanes for the same reason.
#if defined(__x86_64__)
#define GYRO_CLONES __attribute__((target_clones("default", "avx2", "arch=x86-64-v4")))
#else
#define GYRO_CLONES
#endif
