#ifndef GYRO_PARALLEL_H
#define GYRO_PARALLEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// The one pool of threads of the process.
///
/// The pool is libgomp's, because the matrix library uses the same one: two
/// pools on the same cores would fight. libgomp keeps one team of workers per
/// calling thread, so heavy work should always be started from the same thread.
/// Its workers spin while they wait: on cores shared with other processes a loop
/// can take many times longer unless OMP_WAIT_POLICY=passive is set in the
/// environment before the process starts.

/// Receives a half-open range `[begin, end)` of the loop and the index of the
/// executing thread, `0 ..< gyro_thread_count()`.
typedef void (*gyro_parallel_body)(void *context, int64_t begin, int64_t end, int thread);

/// Cuts `0 ..< count` into one contiguous range per thread. No thread is given
/// fewer than `minimum_per_thread` elements, so short loops run inline. The cut
/// depends only on `count`, `minimum_per_thread` and the number of threads:
/// partial sums indexed by `thread` are reproducible. Inside a parallel region
/// the whole range runs inline as thread 0.
void gyro_parallel_for(int64_t count, int64_t minimum_per_thread, gyro_parallel_body body,
                       void *context);

/// Hands out ranges of at most `chunk` elements to whichever thread is free:
/// for work whose result does not depend on who does it. It evens out cores
/// that other processes are using as well.
void gyro_parallel_for_dynamic(int64_t count, int64_t chunk, gyro_parallel_body body,
                               void *context);

/// Number of threads a loop may use (at least 1). The default follows
/// OMP_NUM_THREADS, capped by the processors this process may run on.
int gyro_thread_count(void);

/// Changes the number of threads; values below 1 restore the default.
void gyro_set_thread_count(int count);

/// 1 inside a parallel region with more than one thread.
int gyro_in_parallel(void);

#ifdef __cplusplus
}
#endif
#endif
