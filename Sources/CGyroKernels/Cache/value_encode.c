#include "cache_half.h"
#include "gyro_clones.h"
#include "gyro_parallel.h"
#include "value_layout.h"

int gyro_value_planes(int32_t bits, int32_t plane_bits[gyro_value_planes_limit]) {
  plane_bits[0] = bits == 8 ? 4 : bits == 3 ? 2 : bits;
  plane_bits[1] = bits == 8 ? 4 : bits == 3 ? 1 : 0;
  if (bits == 8 || bits == 3) return 2;
  return bits == 1 || bits == 2 || bits == 4;
}

typedef struct {
  const gyro_value_codes *codes;
  const float *values;
  int64_t first, count;
} Job;

/// Smallest and largest of `count` elements.
GYRO_CLONES
static void find_range(const float *x, int64_t count, float *low, float *high) {
  float least = x[0], most = x[0];
  for (int64_t i = 1; i < count; i++) {
    least = x[i] < least ? x[i] : least;
    most = x[i] > most ? x[i] : most;
  }
  *low = least;
  *high = most;
}

/// Steps from the minimum, ties to even, at most `levels`.
GYRO_CLONES
static void round_steps(const float *x, int64_t count, float minimum, float scale, float levels,
                        uint8_t *codes) {
  const float magic = 12582912.0f;  // 1.5·2²³: adding it rounds to a whole number
  for (int64_t i = 0; i < count; i++) {
    const float position = (x[i] - minimum) / scale + magic - magic;
    codes[i] = (uint8_t)(int32_t)(position > levels ? levels : position);
  }
}

/// Puts `bits` of each code, from bit `from` on, into the nibbles of a row at `shift`.
GYRO_CLONES
static void deal(const uint8_t *codes, int64_t count, int32_t from, int32_t bits, int32_t shift,
                 uint8_t *row) {
  const uint32_t mask = (1u << bits) - 1;
  for (int64_t i = 0; i < count / 2; i++) {
    const uint32_t even = codes[2 * i] >> from & mask, odd = codes[2 * i + 1] >> from & mask;
    row[i] |= (uint8_t)(even << shift | odd << (shift + 4));
  }
}

static void encode_group(const gyro_value_codes *codes, const float *x, int64_t count,
                         int64_t head, int64_t token, int64_t group) {
  const int64_t size = value_group(codes), place =
      (head * value_groups(codes) + group) * codes->capacity + token;
  float low, high;
  find_range(x, count, &low, &high);
  const float levels = (float)((1 << codes->bits) - 1);
  const uint16_t minimum_code = half_not_above(low);
  const float minimum = half_to_float(minimum_code);
  const uint16_t scale_code = half_not_below((high - minimum) / levels);
  const float scale = half_to_float(scale_code);
  codes->minima[place] = minimum_code;
  codes->scales[place] = scale_code;
  if (scale == 0) return;
  uint8_t steps[gyro_cache_head_limit];
  round_steps(x, count, minimum, scale, levels, steps);
  int32_t plane_bits[gyro_value_planes_limit], from = 0;
  const int planes = gyro_value_planes(codes->bits, plane_bits);
  for (int p = 0; p < planes; from += plane_bits[p++]) {
    const int32_t bits = plane_bits[p];
    deal(steps, count, from, bits, (int32_t)(bits * (token % (4 / bits))),
         value_row(codes, p, bits, head, token) + group * size / 2);
  }
}

/// Tokens share bytes, heads do not.
static void encode_heads(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Job *job = context;
  const gyro_value_codes *codes = job->codes;
  const int64_t size = value_group(codes), groups = value_groups(codes);
  for (int64_t head = begin; head < end; head++)
    for (int64_t i = 0; i < job->count; i++) {
      const float *x = job->values + (i * codes->heads + head) * codes->head_size;
      for (int64_t group = 0; group < groups; group++) {
        const int64_t rest = codes->head_size - group * size;
        encode_group(codes, x + group * size, rest < size ? rest : size, head, job->first + i,
                     group);
      }
    }
}

void gyro_value_encode(const gyro_value_codes *codes, const float *values, int64_t first,
                       int64_t count) {
  Job job = {codes, values, first, count};
  const int64_t elements = count * codes->head_size;
  gyro_parallel_for(codes->heads, elements < 8192 ? 8192 / (elements + 1) + 1 : 1, encode_heads,
                    &job);
}

void gyro_reference_value(const gyro_value_codes *codes, int64_t head, int64_t token,
                          float *destination) {
  int32_t plane_bits[gyro_value_planes_limit];
  const int planes = gyro_value_planes(codes->bits, plane_bits);
  for (int64_t channel = 0; channel < codes->head_size; channel++) {
    uint32_t code = 0;
    for (int p = planes - 1; p >= 0; p--) {
      const int32_t bits = plane_bits[p];
      const uint8_t byte = value_row(codes, p, bits, head, token)[channel / 2];
      const int shift = (int)(4 * (channel % 2) + bits * (token % (4 / bits)));
      code = code << bits | (byte >> shift & ((1u << bits) - 1));
    }
    const int64_t place = (head * value_groups(codes) + channel / value_group(codes)) *
                              codes->capacity + token;
    destination[channel] =
        half_to_float(codes->scales[place]) * (float)code + half_to_float(codes->minima[place]);
  }
}
