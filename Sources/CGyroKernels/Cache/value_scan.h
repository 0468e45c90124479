#pragma once
#include <stdint.h>

/// Rows of nibbles of one plane and what each token weighs.
typedef struct {
  const uint8_t *rows;     // [count][head_size / 2]
  int64_t count;           // rows
  int64_t head_size;
  const float *weights;    // [groups][gyro_value_chunk], times the scales
  int64_t group;           // channels
  int32_t bits;            // of the plane: 1, 2 or 4
  float unit;              // what its lowest bit stands for
} gyro_value_rows;

/// sums [⌈head_size / 32⌉][2][16]: adds for each channel the table entries its nibbles choose;
/// channel c of 32 is in place c/2 of half c mod 2.
void gyro_value_scan(int variant, const gyro_value_rows *rows, float *sums);
