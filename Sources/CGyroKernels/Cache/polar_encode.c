#include <math.h>

#include "gyro_parallel.h"
#include "polar_layout.h"

#pragma STDC FP_CONTRACT OFF

int64_t gyro_polar_unit_bytes(gyro_polar_format format) {
  const polar_layout l = polar_layout_of(format);
  return 2 * l.word + l.top;
}

int64_t gyro_polar_units(gyro_polar_format format, int64_t tokens) {
  const polar_layout l = polar_layout_of(format);
  return l.tokens_per_unit > 1 ? (tokens + l.tokens_per_unit - 1) / l.tokens_per_unit
                               : tokens * l.units_per_token;
}

/// The coded angle nearest to that of the point (x, y): in whose direction it goes furthest.
GYRO_INLINE uint8_t nearest(float x, float y, const float *cosines, const float *sines,
                            int count) {
  uint8_t best = 0;
  float reach = x * cosines[0] + y * sines[0];
  for (int code = 1; code < count; code++) {
    const float other = x * cosines[code] + y * sines[code];
    best = other > reach ? (uint8_t)code : best;
    reach = other > reach ? other : reach;
  }
  return best;
}

typedef struct {
  const gyro_polar_rows *rows;
  const float *x;
  float *decoded;
  int64_t first, tokens;
} Job;

static void encode_block(const gyro_polar_rows *rows, const polar_layout *l, const float *x,
                         uint8_t *unit, uint16_t *radii, int block) {
  const gyro_polar_format *f = &rows->format;
  uint8_t codes[15], *code = codes;
  float radius[16];
  memcpy(radius, x, 64);
  for (int level = 0, count = 8; level < 4; level++, count /= 2)
    for (int i = 0; i < count; i++) {
      const float a = radius[2 * i], b = radius[2 * i + 1];
      *code++ = nearest(a, b, rows->tables->cosines[level], rows->tables->sines[level],
                        1 << f->bits[level]);
      radius[i] = sqrtf(a * a + b * b);
    }
  radii[block] = float_to_half(radius[0]);
  for (int half = 0; half < 2; half++) {
    uint32_t word = 0;
    for (int n = 0; n < 4; n++) word |= (uint32_t)codes[4 * half + n] << f->bits[0] * n;
    for (int m = 0; m < 2; m++)
      word |= (uint32_t)codes[8 + 2 * half + m] << (4 * f->bits[0] + f->bits[1] * m);
    word |= (uint32_t)codes[12 + half] << (4 * f->bits[0] + 2 * f->bits[1]);
    gyro_write_word(unit, l->word, 16, block + 8 * half, word);
  }
  const uint32_t top = (uint32_t)codes[14] << f->bits[3] * block;
  for (int byte = 0; byte < l->top; byte++) unit[2 * l->word + byte] |= (uint8_t)(top >> 8 * byte);
}

/// Each head on its own: two tokens may share a byte.
static void encode_heads(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Job *job = context;
  const gyro_polar_rows *rows = job->rows;
  const polar_layout l = polar_layout_of(rows->format);
  const int64_t bytes = gyro_polar_unit_bytes(rows->format), size = rows->format.head_size;
  for (int64_t head = begin; head < end; head++)
    for (int64_t t = 0; t < job->tokens; t++)
      for (int block = 0; block < l.blocks; block++) {
        const polar_spot at = polar_spot_of(rows, &l, head, job->first + t, block);
        encode_block(rows, &l, job->x + (t * rows->heads + head) * size + 16 * block,
                     rows->codes + at.unit * bytes, rows->radii + at.unit * 8, at.place);
      }
}

void gyro_polar_encode(const gyro_polar_rows *rows, const float *x, int64_t first,
                       int64_t tokens) {
  Job job = {.rows = rows, .x = x, .first = first, .tokens = tokens};
  gyro_parallel_for(rows->heads, 1 + 128 / (tokens + 1), encode_heads, &job);
}

/// From angles level by level back to coordinates.
static void expand(const float cosines[15], const float sines[15], float radius, float x[16]) {
  float at[16] = {radius};
  for (int count = 1, first = 14; count <= 8; count *= 2) {
    for (int i = count - 1; i >= 0; i--) {
      const float r = at[i];
      at[2 * i] = r * cosines[first + i];
      at[2 * i + 1] = r * sines[first + i];
    }
    first -= 2 * count;
  }
  memcpy(x, at, 64);
}

static void decode_heads(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Job *job = context;
  const gyro_polar_rows *rows = job->rows;
  const polar_layout l = polar_layout_of(rows->format);
  const int64_t bytes = gyro_polar_unit_bytes(rows->format), size = rows->format.head_size;
  for (int64_t head = begin; head < end; head++)
    for (int64_t t = 0; t < rows->count; t++)
      for (int block = 0; block < l.blocks; block++) {
        const polar_spot at = polar_spot_of(rows, &l, head, t, block);
        uint8_t codes[15];
        float cosines[15], sines[15];
        polar_block_codes(rows->codes + at.unit * bytes, &rows->format, &l, at.place, codes);
        for (int i = 0; i < 15; i++) {
          const int level = i < 8 ? 0 : i < 12 ? 1 : i < 14 ? 2 : 3;
          cosines[i] = rows->tables->cosines[level][codes[i]];
          sines[i] = rows->tables->sines[level][codes[i]];
        }
        expand(cosines, sines, half_to_float(rows->radii[at.unit * 8 + at.place]),
               job->decoded + (t * rows->heads + head) * size + 16 * block);
      }
}

void gyro_polar_decode(const gyro_polar_rows *rows, float *x) {
  Job job = {.rows = rows, .decoded = x};
  gyro_parallel_for(rows->heads, 1, decode_heads, &job);
}

void gyro_polar_angles(const float *x, int64_t blocks, float *angles, float *radii) {
  for (int64_t block = 0; block < blocks; block++, x += 16) {
    float radius[16];
    memcpy(radius, x, 64);
    for (int level = 0, count = 8; level < 4; level++, count /= 2)
      for (int i = 0; i < count; i++) {
        const float a = radius[2 * i], b = radius[2 * i + 1];
        const float angle = atan2f(b, a);
        *angles++ = angle < 0 ? angle + 6.2831853f : angle;
        radius[i] = sqrtf(a * a + b * b);
      }
    radii[block] = radius[0];
  }
}

void gyro_polar_points(const float *angles, const float *radii, int64_t blocks, float *x) {
  for (int64_t block = 0; block < blocks; block++, angles += 15) {
    float cosines[15], sines[15];
    for (int i = 0; i < 15; i++) cosines[i] = cosf(angles[i]), sines[i] = sinf(angles[i]);
    expand(cosines, sines, radii[block], x + 16 * block);
  }
}
