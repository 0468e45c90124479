#pragma once
#include <stdint.h>

/// Makes a table of 16 sums for every four of `rows` projections: entry n adds projection j when
/// bit j of n is set and subtracts it otherwise. Both are 64-byte aligned.
void gyro_sign_tables(const float *sketched, int64_t rows, float *tables);

/// sums[16 · blocks]: for each token the entries that its bits choose, added up.
void gyro_sign_scan(int variant, const uint32_t *codes, int64_t blocks, int64_t words,
                    const float *tables, float *sums);
