#include "internal.h"
#include "tiles.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TILES __attribute__((target("amx-tile,amx-int8,amx-bf16")))

struct tile_shape {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

TILES void gyro_tiles_enter(void) {
    struct tile_shape shape = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        shape.row_bytes[i] = 64;
        shape.rows[i] = 16;
    }
    _tile_loadconfig(&shape);
}

TILES void gyro_tiles_leave(void) { _tile_release(); }

// A panel holds, for every unit of k (64 bytes of a row), its pieces in order,
// each as two tiles of 1 KB: `piece * 2048`.
#define ZERO() (_tile_zero(0), _tile_zero(1), _tile_zero(2), _tile_zero(3))
#define LOAD_A(piece) \
    (_tile_loadd(4, a + (piece) * 2048, 64), _tile_loadd(5, a + (piece) * 2048 + 1024, 64))
#define LOAD_B(piece) \
    (_tile_loadd(6, b + (piece) * 2048, 64), _tile_loadd(7, b + (piece) * 2048 + 1024, 64))
#define MULTIPLY(op) (op(0, 4, 6), op(1, 4, 7), op(2, 5, 6), op(3, 5, 7))
#define STORE() \
    (_tile_stored(0, c, 128), _tile_stored(1, c + 64, 128), _tile_stored(2, c + 2048, 128), \
     _tile_stored(3, c + 2048 + 64, 128))

TILES void gyro_tiles_s8(const void *a_panel, const void *b_panel, int64_t units, void *square) {
    const char *a = a_panel, *b = b_panel;
    char *c = square;
    ZERO();
    for (int64_t unit = 0; unit < units; unit++, a += 2048, b += 2048) {
        LOAD_B(0);
        LOAD_A(0);
        MULTIPLY(_tile_dpbssd);
    }
    STORE();
}

/// One factor of one piece, loaded once a unit, and one of several, smallest first.
#define ONE_BY_PIECES(name, a_pieces, b_pieces, load_one, load_piece, pieces) \
    TILES void name(const void *a_panel, const void *b_panel, int64_t units, void *square) { \
        const char *a = a_panel, *b = b_panel; \
        char *c = square; \
        ZERO(); \
        for (int64_t unit = 0; unit < units; \
             unit++, a += (a_pieces) * 2048, b += (b_pieces) * 2048) { \
            load_one(0); \
            _Pragma("unroll") for (int piece = (pieces) - 1; piece >= 0; piece--) { \
                load_piece(piece); \
                MULTIPLY(_tile_dpbf16ps); \
            } \
        } \
        STORE(); \
    }

ONE_BY_PIECES(gyro_tiles_bfloat16_1x1, 1, 1, LOAD_B, LOAD_A, 1)
ONE_BY_PIECES(gyro_tiles_bfloat16_2x1, 2, 1, LOAD_B, LOAD_A, 2)
ONE_BY_PIECES(gyro_tiles_bfloat16_3x1, 3, 1, LOAD_B, LOAD_A, 3)
ONE_BY_PIECES(gyro_tiles_bfloat16_1x2, 1, 2, LOAD_A, LOAD_B, 2)
ONE_BY_PIECES(gyro_tiles_bfloat16_1x3, 1, 3, LOAD_A, LOAD_B, 3)

// hi·lo, hi·hi, lo·hi: an order in which every step reloads only one factor.
TILES void gyro_tiles_bfloat16_2x2(const void *a_panel, const void *b_panel, int64_t units,
                                   void *square) {
    const char *a = a_panel, *b = b_panel;
    char *c = square;
    ZERO();
    for (int64_t unit = 0; unit < units; unit++, a += 4096, b += 4096) {
        LOAD_A(0);
        LOAD_B(1);
        MULTIPLY(_tile_dpbf16ps);
        LOAD_B(0);
        MULTIPLY(_tile_dpbf16ps);
        LOAD_A(1);
        MULTIPLY(_tile_dpbf16ps);
    }
    STORE();
}

// hi·lo, hi·mid, mid·mid, mid·hi, hi·hi, lo·hi: all products above 2^-24 of the whole, in an order
// in which every step but one reloads only one factor.
TILES void gyro_tiles_bfloat16_3x3(const void *a_panel, const void *b_panel, int64_t units,
                                   void *square) {
    const char *a = a_panel, *b = b_panel;
    char *c = square;
    ZERO();
    for (int64_t unit = 0; unit < units; unit++, a += 6144, b += 6144) {
        LOAD_A(0);
        LOAD_B(2);
        MULTIPLY(_tile_dpbf16ps);
        LOAD_B(1);
        MULTIPLY(_tile_dpbf16ps);
        LOAD_A(1);
        MULTIPLY(_tile_dpbf16ps);
        LOAD_B(0);
        MULTIPLY(_tile_dpbf16ps);
        LOAD_A(0);
        MULTIPLY(_tile_dpbf16ps);
        LOAD_A(2);
        MULTIPLY(_tile_dpbf16ps);
    }
    STORE();
}

#endif
