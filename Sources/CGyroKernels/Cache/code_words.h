#pragma once
#include "gyro_lanes.h"

// A word of up to 32 bits for each of 16 lanes, in planes of 32, 16, 8, 4, 2 and 1 bits.

typedef uint8_t gyro_lanes_u8 __attribute__((vector_size(16)));
typedef uint16_t gyro_lanes_u16 __attribute__((vector_size(32)));
typedef uint32_t gyro_lanes_u32 __attribute__((vector_size(64)));

/// Reads the words of one unit; `size` bits in each. (Vectors go through pointers: passed by value
/// they would depend on the instruction set.)
GYRO_INLINE void gyro_read_words(const uint8_t *source, int size, gyro_lanes_u32 *result) {
  gyro_lanes_u32 words = {0};
  int shift = 0;
  if (size == 32) {
    memcpy(result, source, 64);
    return;
  }
  if (size & 16) {
    gyro_lanes_u16 plane;
    memcpy(&plane, source, 32);
    words = __builtin_convertvector(plane, gyro_lanes_u32);
    source += 32, shift = 16;
  }
  if (size & 8) {
    gyro_lanes_u8 plane;
    memcpy(&plane, source, 16);
    words |= __builtin_convertvector(plane, gyro_lanes_u32) << shift;
    source += 16, shift += 8;
  }
  if (size & 4) {
    uint32_t b[2];
    memcpy(b, source, 8);
    const gyro_lanes_u32 fields = {b[0], b[0], b[0], b[0], b[0], b[0], b[0], b[0],
                                   b[1], b[1], b[1], b[1], b[1], b[1], b[1], b[1]};
    const gyro_lanes_u32 places = {0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28};
    words |= (fields >> places & 15) << shift;
    source += 8, shift += 4;
  }
  if (size & 2) {
    uint32_t bits;
    memcpy(&bits, source, 4);
    const gyro_lanes_u32 places = {0,  2,  4,  6,  8,  10, 12, 14,
                                   16, 18, 20, 22, 24, 26, 28, 30};
    words |= (((gyro_lanes_u32){0} + bits) >> places & 3) << shift;
    source += 4, shift += 2;
  }
  if (size & 1) {
    uint16_t bits;
    memcpy(&bits, source, 2);
    const gyro_lanes_u32 places = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    words |= (((gyro_lanes_u32){0} + bits) >> places & 1) << shift;
  }
  *result = words;
}

/// Field `lane` of a plane of `size` bits, a power of two.
GYRO_INLINE uint32_t gyro_read_field(const uint8_t *plane, int size, int lane) {
  const int place = size * lane;
  uint32_t field = plane[place / 8];
  for (int byte = 1; byte < size / 8; byte++)
    field |= (uint32_t)plane[place / 8 + byte] << 8 * byte;
  return size < 8 ? field >> place % 8 & ((1u << size) - 1) : field;
}

/// The word of one lane, of `lanes`, read field by field: the plain definition.
GYRO_INLINE uint32_t gyro_read_word(const uint8_t *source, int size, int lanes, int lane) {
  uint32_t word = 0;
  for (int shift = 0, plane = 32; plane > 0; plane /= 2) {
    if (!(size & plane)) continue;
    word |= gyro_read_field(source, plane, lane) << shift;
    source += plane * lanes / 8, shift += plane;
  }
  return word;
}

/// Adds the word of one lane to bytes that were zero there.
GYRO_INLINE void gyro_write_word(uint8_t *destination, int size, int lanes, int lane,
                                 uint32_t word) {
  for (int plane = 32; plane > 0; plane /= 2) {
    if (!(size & plane)) continue;
    const int place = plane * lane;
    if (plane < 8) {
      destination[place / 8] |= (uint8_t)((word & ((1u << plane) - 1)) << place % 8);
    } else {
      for (int byte = 0; byte < plane / 8; byte++)
        destination[place / 8 + byte] |= (uint8_t)(word >> 8 * byte);
    }
    destination += plane * lanes / 8;
    word = plane == 32 ? 0 : word >> plane;
  }
}
