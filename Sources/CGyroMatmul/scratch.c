#define _GNU_SOURCE
#include "internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

struct scratch {
    void *memory[SCRATCH_COUNT];
    size_t bytes[SCRATCH_COUNT];
};

static _Thread_local struct scratch *own;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void release(void *value) {
    struct scratch *scratch = value;
    for (int slot = 0; slot < SCRATCH_COUNT; slot++) free(scratch->memory[slot]);
    free(scratch);
}

static void create_key(void) { pthread_key_create(&key, release); }

void *gyro_scratch(int slot, size_t bytes) {
    if (!own) {
        pthread_once(&once, create_key);
        own = calloc(1, sizeof *own);
        if (!own) return NULL;
        pthread_setspecific(key, own);
    }
    if (own->bytes[slot] >= bytes && own->memory[slot]) return own->memory[slot];
    // Whole huge pages: packed panels are walked with many parallel streams.
    const size_t huge = (size_t)2 << 20;
    size_t alignment = bytes >= huge / 2 ? huge : 64;
    size_t rounded = (bytes + bytes / 4 + alignment - 1) / alignment * alignment;
    if (rounded == 0) rounded = alignment;
    free(own->memory[slot]);
    own->bytes[slot] = 0;
    own->memory[slot] = aligned_alloc(alignment, rounded);
    if (!own->memory[slot]) return NULL;
    if (alignment == huge) madvise(own->memory[slot], rounded, MADV_HUGEPAGE);
    own->bytes[slot] = rounded;
    return own->memory[slot];
}
