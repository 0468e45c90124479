#pragma once
#include "cache_half.h"
#include "code_words.h"
#include "gyro_cache_polar.h"

enum { polar_score_chunk = 256, polar_value_chunk = 512 };  // units

/// Where the blocks of a token lie.
typedef struct {
  int blocks;           // of a token
  int tokens_per_unit;  // 1 if a token takes a unit or more
  int units_per_token;
  int word, top;  // bits of a lane's word, bytes of level 4
} polar_layout;

GYRO_INLINE polar_layout polar_layout_of(gyro_polar_format f) {
  polar_layout l;
  l.blocks = f.head_size / 16;
  l.tokens_per_unit = 8 % l.blocks == 0 ? 8 / l.blocks : 1;
  l.units_per_token = (l.blocks + 7) / 8;
  l.word = 4 * f.bits[0] + 2 * f.bits[1] + f.bits[2];
  l.top = f.bits[3];
  return l;
}

/// Where a block of a token lies: its unit among all heads', and its place of the eight there.
typedef struct {
  int64_t unit;
  int place;
} polar_spot;

GYRO_INLINE polar_spot polar_spot_of(const gyro_polar_rows *rows, const polar_layout *l,
                                     int64_t head, int64_t token, int block) {
  const int64_t unit = l->tokens_per_unit > 1 ? token / l->tokens_per_unit
                                              : token * l->units_per_token + block / 8;
  return (polar_spot){.unit = head * rows->units + unit,
                      .place = (int)(token % l->tokens_per_unit) * l->blocks + block % 8};
}

/// The codes of level 4 of a unit: eight fields.
GYRO_INLINE uint32_t polar_top(const uint8_t *unit, const polar_layout *l) {
  uint32_t top = 0;
  for (int byte = 0; byte < l->top; byte++) top |= (uint32_t)unit[2 * l->word + byte] << 8 * byte;
  return top;
}

/// The codes of one block: 8, 4, 2 and 1.
GYRO_INLINE void polar_block_codes(const uint8_t *unit, const gyro_polar_format *f,
                                   const polar_layout *l, int block, uint8_t codes[15]) {
  for (int half = 0; half < 2; half++) {
    const uint32_t word = gyro_read_word(unit, l->word, 16, block + 8 * half);
    for (int n = 0; n < 4; n++)
      codes[4 * half + n] = word >> f->bits[0] * n & ((1u << f->bits[0]) - 1);
    for (int m = 0; m < 2; m++)
      codes[8 + 2 * half + m] =
          word >> (4 * f->bits[0] + f->bits[1] * m) & ((1u << f->bits[1]) - 1);
    codes[12 + half] = word >> (4 * f->bits[0] + 2 * f->bits[1]) & ((1u << f->bits[2]) - 1);
  }
  codes[14] = polar_top(unit, l) >> f->bits[3] * block & ((1u << f->bits[3]) - 1);
}
