#ifndef GYRO_CLIBFUZZER_H
#define GYRO_CLIBFUZZER_H

#include <stddef.h>
#include <stdint.h>

/// libFuzzer's own mutation of `data`, in place; gives the new size. It is in the library that
/// `-sanitize=fuzzer` links.
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

#endif
