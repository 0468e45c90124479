#include "gyro_cache_codes.h"
#include "gyro_parallel.h"
#include "code_rows.h"

int64_t gyro_code_row_bytes(gyro_code_format format) {
  return (int64_t)format.width * format.bits / 8;
}

typedef struct {
  const uint8_t *source;
  uint8_t *destination;
  gyro_code_format format;
} Packing;

static void pack_rows(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Packing *job = context;
  const gyro_code_format f = job->format;
  const int64_t row_bytes = gyro_code_row_bytes(f);
  if (f.bits == 8) {
    memcpy(job->destination + begin * row_bytes, job->source + begin * row_bytes,
           (size_t)((end - begin) * row_bytes));
    return;
  }
  const int lanes = code_lanes(f), columns = f.width / lanes;
  for (int64_t row = begin; row < end; row++) {
    const uint8_t *codes = job->source + row * f.width;
    uint8_t *packed = job->destination + row * row_bytes;
    memset(packed, 0, (size_t)row_bytes);
    for (int first = 0; first < columns; first += code_unit) {
      const int count = columns - first < code_unit ? columns - first : code_unit;
      for (int lane = 0; lane < lanes; lane++) {
        uint32_t word = 0;
        for (int n = 0; n < count; n++)
          word |= (uint32_t)codes[(first + n) * lanes + lane] << f.bits * n;
        gyro_write_word(packed, f.bits * count, lanes, lane, word);
      }
      packed += f.bits * count * lanes / 8;
    }
  }
}

static void unpack_rows(void *context, int64_t begin, int64_t end, int thread) {
  (void)thread;
  const Packing *job = context;
  for (int64_t row = begin; row < end; row++)
    code_unpack_row(job->source + row * gyro_code_row_bytes(job->format), job->format,
                    job->destination + row * job->format.width);
}

void gyro_pack_codes(const uint8_t *codes, int64_t rows, gyro_code_format format,
                     uint8_t *packed) {
  Packing job = {codes, packed, format};
  gyro_parallel_for(rows, 256, pack_rows, &job);
}

void gyro_unpack_codes(const uint8_t *packed, int64_t rows, gyro_code_format format,
                       uint8_t *codes) {
  Packing job = {packed, codes, format};
  gyro_parallel_for(rows, 256, unpack_rows, &job);
}
