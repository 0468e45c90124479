#ifndef GYRO_MATMUL_TILES_H
#define GYRO_MATMUL_TILES_H

#if defined(__x86_64__)

/// All kernels use the same shape, eight tiles of 16 rows × 64 bytes:
/// accumulators 0–3 (2 × 2), rows of A in 4–5, columns of B in 6–7.
void gyro_tiles_enter(void);
void gyro_tiles_leave(void);

void gyro_tiles_s8(const void *a, const void *b, int64_t units, void *square);
void gyro_tiles_bfloat16_1x1(const void *a, const void *b, int64_t units, void *square);
void gyro_tiles_bfloat16_2x1(const void *a, const void *b, int64_t units, void *square);
void gyro_tiles_bfloat16_3x1(const void *a, const void *b, int64_t units, void *square);
void gyro_tiles_bfloat16_1x2(const void *a, const void *b, int64_t units, void *square);
void gyro_tiles_bfloat16_1x3(const void *a, const void *b, int64_t units, void *square);
void gyro_tiles_bfloat16_2x2(const void *a, const void *b, int64_t units, void *square);
void gyro_tiles_bfloat16_3x3(const void *a, const void *b, int64_t units, void *square);

#endif
#endif
