#define _GNU_SOURCE
#include "gyro_parallel.h"

#include <sched.h>
#include <stdatomic.h>

// The entry points that a compiler emits for `#pragma omp parallel`. Calling
// them directly avoids an OpenMP front end (and a second OpenMP runtime: the
// compiler used here would bring its own).
extern void GOMP_parallel(void (*function)(void *), void *data, unsigned threads, unsigned flags);
extern int omp_get_max_threads(void);
extern int omp_get_num_threads(void);
extern int omp_get_thread_num(void);
extern int omp_in_parallel(void);

static _Atomic int chosen_thread_count;

static int default_thread_count(void) {
    static _Atomic int cached;
    int count = atomic_load_explicit(&cached, memory_order_relaxed);
    if (count > 0) return count;
    count = omp_get_max_threads();
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
        int available = CPU_COUNT(&allowed);
        if (available > 0 && available < count) count = available;
    }
    if (count < 1) count = 1;
    atomic_store_explicit(&cached, count, memory_order_relaxed);
    return count;
}

int gyro_thread_count(void) {
    int count = atomic_load_explicit(&chosen_thread_count, memory_order_relaxed);
    return count > 0 ? count : default_thread_count();
}

void gyro_set_thread_count(int count) {
    atomic_store_explicit(&chosen_thread_count, count > 0 ? count : 0, memory_order_relaxed);
}

int gyro_in_parallel(void) { return omp_in_parallel(); }

struct loop {
    int64_t count, chunk;
    gyro_parallel_body body;
    void *context;
    _Atomic int64_t next;
};

static void run_static(void *data) {
    struct loop *loop = data;
    // The runtime may give fewer threads than were asked for.
    int64_t threads = omp_get_num_threads(), thread = omp_get_thread_num();
    int64_t share = loop->count / threads, extra = loop->count % threads;
    int64_t begin = thread * share + (thread < extra ? thread : extra);
    int64_t end = begin + share + (thread < extra ? 1 : 0);
    if (begin < end) loop->body(loop->context, begin, end, (int)thread);
}

static void run_dynamic(void *data) {
    struct loop *loop = data;
    int thread = omp_get_thread_num();
    for (;;) {
        int64_t begin = atomic_fetch_add_explicit(&loop->next, loop->chunk, memory_order_relaxed);
        if (begin >= loop->count) return;
        int64_t end = begin + loop->chunk < loop->count ? begin + loop->chunk : loop->count;
        loop->body(loop->context, begin, end, thread);
    }
}

void gyro_parallel_for(int64_t count, int64_t minimum_per_thread, gyro_parallel_body body,
                       void *context) {
    if (count <= 0) return;
    if (minimum_per_thread < 1) minimum_per_thread = 1;
    int64_t threads = gyro_thread_count();
    if (threads > count / minimum_per_thread) threads = count / minimum_per_thread;
    if (threads <= 1 || omp_in_parallel()) {
        body(context, 0, count, 0);
        return;
    }
    struct loop loop = {.count = count, .body = body, .context = context};
    GOMP_parallel(run_static, &loop, (unsigned)threads, 0);
}

void gyro_parallel_for_dynamic(int64_t count, int64_t chunk, gyro_parallel_body body,
                               void *context) {
    if (count <= 0) return;
    if (chunk < 1) chunk = 1;
    int64_t threads = gyro_thread_count(), chunks = (count + chunk - 1) / chunk;
    if (threads > chunks) threads = chunks;
    if (threads <= 1 || omp_in_parallel()) {
        body(context, 0, count, 0);
        return;
    }
    struct loop loop = {.count = count, .chunk = chunk, .body = body, .context = context};
    GOMP_parallel(run_dynamic, &loop, (unsigned)threads, 0);
}
