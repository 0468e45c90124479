#define _GNU_SOURCE
#include "internal.h"

#include <stdatomic.h>
#include <stdio.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t enabled_state(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static int detect(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return GYRO_ENGINE_PORTABLE;
    uint64_t state = enabled_state();
    if ((state & 0xe6) != 0xe6) return GYRO_ENGINE_PORTABLE; // AVX-512 registers
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return GYRO_ENGINE_PORTABLE;
    const unsigned wide = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; // F, DQ, BW, VL
    if ((b & wide) != wide || !(c & 1u << 11)) return GYRO_ENGINE_PORTABLE;
    const unsigned tiles = 1u << 22 | 1u << 24 | 1u << 25; // bf16, tile, int8
    unsigned edx = d, a1 = 0;
    if (!__get_cpuid_count(7, 1, &a1, &b, &c, &d)) return GYRO_ENGINE_VNNI;
    if ((edx & tiles) != tiles || !(a1 & 1u << 5) || (state & 0x60000) != 0x60000)
        return GYRO_ENGINE_VNNI;
    // Linux hands out the 8 KB of tile registers on request only
    // (ARCH_REQ_XCOMP_PERM for XTILEDATA); the permission is per process.
    if (syscall(SYS_arch_prctl, 0x1023, 18) != 0) return GYRO_ENGINE_VNNI;
    return GYRO_ENGINE_AMX;
}
#else
static int detect(void) { return GYRO_ENGINE_PORTABLE; }
#endif

static _Atomic int detected = -1;
static _Atomic int limit = GYRO_ENGINE_AUTOMATIC;

int gyro_matmul_engine(void) {
    int engine = atomic_load_explicit(&detected, memory_order_relaxed);
    if (engine < 0) {
        engine = detect();
        atomic_store_explicit(&detected, engine, memory_order_relaxed);
    }
    int most = atomic_load_explicit(&limit, memory_order_relaxed);
    return most >= 0 && most < engine ? most : engine;
}

void gyro_matmul_limit_engine(int engine) {
    atomic_store_explicit(&limit, engine, memory_order_relaxed);
}

int gyro_matmul_split_is_fast(void) { return gyro_matmul_engine() == GYRO_ENGINE_AMX; }

const char *gyro_matmul_description(void) {
#ifdef GYRO_ONEDNN
    static const char *const names[] = {"portable + oneDNN float32", "AVX-512 VNNI + oneDNN float32",
                                        "AMX + oneDNN float32"};
#elif defined(GYRO_OPENBLAS)
    static const char *const names[] = {"portable + OpenBLAS float32",
                                        "AVX-512 VNNI + OpenBLAS float32",
                                        "AMX + OpenBLAS float32"};
#else
    static const char *const names[] = {"portable", "AVX-512 VNNI", "AMX"};
#endif
    return names[gyro_matmul_engine()];
}
