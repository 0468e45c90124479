#pragma once
#include <stdint.h>
#include <string.h>

// Sixteen fixed lanes: the order of additions in a sum never depends on the instruction set.

// Holds from here to the end of the file that includes this, so for the inline functions too.
#pragma STDC FP_CONTRACT OFF

#define GYRO_INLINE static inline __attribute__((always_inline))
/// In front of a loop whose element i reads and writes only place i: safe in place, so the
/// compiler need not check for overlap.
#define GYRO_ELEMENTWISE _Pragma("clang loop vectorize(assume_safety)")

/// A square root that the compiler may vectorise: sqrtf would have to set errno.
#define GYRO_SQRT(x) __builtin_elementwise_sqrt(x)

typedef float gyro_lanes __attribute__((vector_size(64)));
typedef int32_t gyro_lanes_bits __attribute__((vector_size(64)));
enum { gyro_lane_count = 16 };

/// Sixteen floats from any address.
#define GYRO_LOAD(lanes, address) memcpy(&(lanes), (address), 64)
/// Sixteen floats to any address.
#define GYRO_STORE(address, lanes) memcpy((address), &(lanes), 64)
/// The sum of sixteen lanes as a balanced tree: lane i with i+8, then i+4, i+2, i+1.
#define GYRO_TREE_SUM(result, lanes)                                                     \
  do {                                                                                   \
    float tree_[16];                                                                     \
    memcpy(tree_, &(lanes), 64);                                                         \
    for (int width_ = 8; width_ > 0; width_ /= 2)                                        \
      for (int lane_ = 0; lane_ < width_; lane_++) tree_[lane_] += tree_[lane_ + width_]; \
    (result) = tree_[0];                                                                 \
  } while (0)

/// The sum in double precision of `count` terms, the same on every instruction set: blocks of 4096
/// in sixteen lanes and a tree, one block after the other. The last argument is a statement that
/// sets `terms[0]…terms[length − 1]`, at most 256, to the terms from number `first` on.
#define GYRO_BLOCK_SUM(sum, count, first, length, terms, ...)                                  \
  do {                                                                                         \
    enum { block_ = 4096, part_ = 256 };                                                       \
    (sum) = 0;                                                                                 \
    for (int64_t start_ = 0; start_ < (count); start_ += block_) {                             \
      const int64_t stop_ = (count) - start_ < block_ ? (count) : start_ + block_;             \
      gyro_lanes total_ = {0};                                                                 \
      for (int64_t first = start_; first < stop_; first += part_) {                            \
        float terms[part_];                                                                    \
        const int64_t length = stop_ - first < part_ ? stop_ - first : part_;                  \
        const int64_t padded_ =                                                                \
            (length + gyro_lane_count - 1) / gyro_lane_count * gyro_lane_count;                \
        __VA_ARGS__                                                                            \
        for (int64_t j_ = length; j_ < padded_; j_++) terms[j_] = 0;                           \
        for (int64_t j_ = 0; j_ < padded_; j_ += gyro_lane_count) {                            \
          gyro_lanes lanes_;                                                                   \
          GYRO_LOAD(lanes_, terms + j_);                                                       \
          total_ += lanes_;                                                                    \
        }                                                                                      \
      }                                                                                        \
      float part_sum_;                                                                         \
      GYRO_TREE_SUM(part_sum_, total_);                                                        \
      (sum) += part_sum_;                                                                      \
    }                                                                                          \
  } while (0)

/// The bits of a float.
GYRO_INLINE uint32_t gyro_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

/// The float with these bits.
GYRO_INLINE float gyro_from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
