#include "group_kernels.h"

// x / scale, the nearest number of the format, times scale. A scale of two levels multiplies level by
// level, so that the number times its E4M3 part, which is exact, can stand by itself. Every loop is written once and
// instantiated per kind of format and of output.

enum {
  kind_integers,
  kind_around_zero_point,
  kind_floats,
  kind_few,         // at most 4 levels
  kind_sixteen,     // at most 16
  kind_thirty_two,  // at most 32
  kind_many,        // at most 256
};

/// What stays the same for all elements.
typedef struct {
  float lowest, largest, zero;
  uint32_t smallest, shift;
  int32_t mantissa_bits, bits;
  const float *levels, *thresholds;
} Grid;

/// The last level whose threshold is not above the value, by halving: for long lists, padded with
/// unreachable thresholds to one less than `room`, a power of two.
GYRO_INLINE int32_t searched_level(float value, const float *thresholds, int32_t room) {
  int32_t index = 0;
  for (int32_t step = room / 2; step > 0; step /= 2)
    index += value >= thresholds[index + step - 1] ? step : 0;
  return index;
}

/// A level's value without a table look-up, which would be slow for sixteen lanes at once.
GYRO_INLINE float chosen_level(float value, const float *thresholds, const float *levels,
                               int count) {
  float result = levels[0];
  for (int i = 0; i + 1 < count; i++) result = value >= thresholds[i] ? levels[i + 1] : result;
  return result;
}

/// The number in the format's units.
GYRO_INLINE float number_of(int kind, const Grid *grid, float value) {
  switch (kind) {
    case kind_integers: return gyro_project_integer(value, grid->lowest, grid->largest);
    case kind_around_zero_point:
      return gyro_project_integer(value, -grid->zero, grid->largest - grid->zero);
    case kind_floats:
      return gyro_project_float(value, grid->largest, grid->smallest, grid->shift);
    case kind_few: return chosen_level(value, grid->thresholds, grid->levels, 4);
    case kind_sixteen: return chosen_level(value, grid->thresholds, grid->levels, 16);
    case kind_thirty_two: return grid->levels[searched_level(value, grid->thresholds, 32)];
    default: return grid->levels[searched_level(value, grid->thresholds, 256)];
  }
}

GYRO_INLINE uint8_t code_of(int kind, const Grid *grid, float value) {
  switch (kind) {
    case kind_integers:
      return (uint8_t)((int32_t)number_of(kind, grid, value) & ((1 << grid->bits) - 1));
    case kind_around_zero_point:
      return (uint8_t)(int32_t)(number_of(kind, grid, value) + grid->zero);
    case kind_floats:
      return gyro_float_code(number_of(kind, grid, value), grid->smallest, grid->mantissa_bits,
                             grid->bits);
    case kind_few: return (uint8_t)gyro_level_index(value, grid->thresholds, 4);
    case kind_sixteen: return (uint8_t)gyro_level_index(value, grid->thresholds, 16);
    case kind_thirty_two: return (uint8_t)searched_level(value, grid->thresholds, 32);
    default: return (uint8_t)searched_level(value, grid->thresholds, 256);
  }
}

GYRO_INLINE void project_one(int kind, int output_kind, const Grid *grid, float value,
                             float scale, float part, float whole, void *output,
                             int64_t place) {
  float quotient = value / scale;
  if (kind >= kind_few) {  // a huge quotient may be infinite, and is then above any threshold
    quotient = quotient < grid->lowest ? grid->lowest : quotient;
    quotient = quotient > grid->largest ? grid->largest : quotient;
  }
  if (output_kind == GYRO_OUTPUT_VALUES)
    ((float *)output)[place] = number_of(kind, grid, quotient) * part * whole;
  else if (output_kind == GYRO_OUTPUT_CODES)
    ((uint8_t *)output)[place] = code_of(kind, grid, quotient);
  else
    ((int8_t *)output)[place] = (int8_t)(int32_t)number_of(kind, grid, quotient);
}

GYRO_INLINE void project_groups(int kind, int output_kind, Grid grid, const float *source,
                                int64_t groups, int64_t length, const float *scales,
                                const float *zero_points, float whole, void *output) {
  int has_two_levels = whole != 1;
  for (int64_t g = 0; g < groups; g++) {
    float scale = scales[g], part = has_two_levels ? gyro_scale_part(scale, whole) : scale;
    if (kind == kind_around_zero_point) grid.zero = zero_points[g];
    int64_t i = g * length, end = i + length;
    for (; i + 16 <= end; i += 16) {
      GYRO_SIXTEEN
      for (int64_t place = i; place < i + 16; place++)
        project_one(kind, output_kind, &grid, source[place], scale, part, whole, output, place);
    }
    for (; i < end; i++)
      project_one(kind, output_kind, &grid, source[i], scale, part, whole, output, i);
  }
}

GYRO_CLONES
static void project_kind(int kind, int32_t output_kind, const Grid *grid, const float *source,
                         int64_t groups, int64_t length, const float *scales,
                         const float *zero_points, float whole, void *output) {
#define PROJECT(kind_)                                                                        \
  case kind_:                                                                                 \
    if (output_kind == GYRO_OUTPUT_VALUES)                                                    \
      project_groups(kind_, GYRO_OUTPUT_VALUES, *grid, source, groups, length, scales,        \
                     zero_points, whole, output);                                             \
    else                                                                                      \
      project_groups(kind_, GYRO_OUTPUT_CODES, *grid, source, groups, length, scales,         \
                     zero_points, whole, output);                                             \
    break;
  if (output_kind == GYRO_OUTPUT_SIGNED) {
    project_groups(kind_integers, GYRO_OUTPUT_SIGNED, *grid, source, groups, length, scales,
                   zero_points, whole, output);
    return;
  }
  switch (kind) {
    PROJECT(kind_integers)
    PROJECT(kind_around_zero_point)
    PROJECT(kind_floats)
    PROJECT(kind_few)
    PROJECT(kind_sixteen)
    PROJECT(kind_thirty_two)
    PROJECT(kind_many)
  }
#undef PROJECT
}

void gyro_run_projection(const gyro_group_quantizer *quantizer, const float *source,
                         int64_t groups, int64_t length, const float *scales,
                         const float *zero_points, float tensor_scale, int32_t output_kind,
                         void *output) {
  const gyro_number_format *format = &quantizer->format;
  Grid grid = {.lowest = format->lowest, .largest = format->largest, .bits = format->bits};
  float levels[256], thresholds[255];
  int kind;
  if (zero_points) {
    kind = kind_around_zero_point;
    grid.largest = quantizer->span;
  } else if (format->kind == GYRO_FORMAT_INTEGERS) {
    kind = kind_integers;
  } else if (format->kind == GYRO_FORMAT_FLOATS) {
    kind = kind_floats;
    grid.mantissa_bits = format->mantissa_bits;
    grid.smallest = (uint32_t)(format->smallest_exponent + 127) << 23;
    grid.shift = (uint32_t)(23 - format->mantissa_bits) << 23;
  } else {
    static const int rooms[] = {4, 16, 32, 256};
    int count = format->level_count, choice = 0;
    while (rooms[choice] < count) choice++;
    int room = rooms[choice];
    kind = kind_few + choice;
    for (int i = 0; i < room; i++) levels[i] = format->levels[i < count ? i : count - 1];
    for (int i = 0; i + 1 < room; i++)
      thresholds[i] = i + 1 < count ? format->thresholds[i] : __builtin_inff();
    grid.lowest = levels[0];
    grid.largest = levels[room - 1];
    grid.levels = levels;
    grid.thresholds = thresholds;
  }
  project_kind(kind, output_kind, &grid, source, groups, length, scales, zero_points,
               quantizer->scale_format == GYRO_SCALE_E4M3 ? tensor_scale : 1, output);
}
