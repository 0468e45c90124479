#pragma once
#include "polar_layout.h"

// The products of blocks of 4/2/2/2 bits, whose words come in planes of their own for each level.

/// Whether the variant has code of its own for these rows.
int polar_has_tables(int variant, const gyro_polar_rows *rows);

/// Scores of the tokens of `count` units, a multiple of 16, all in use, with radii [count][8], for
/// heads of at most 128 and one query, laid out as [4][cosine, sine part][16]. Sixteen units are
/// folded at once, and what a code of level 1 adds to a score comes from a table, because it
/// depends on the query alone.
void polar_table_scores(const gyro_polar_rows *rows, const uint8_t *unit, const float *radii,
                        int64_t count, const float *query, float *scores);

/// Adds every `step`-th of `count` units times their blocks' factors [count][8]: `sums` are
/// [4][cosine, sine part][16].
void polar_plane_sums(const gyro_polar_rows *rows, const uint8_t *unit, int64_t count,
                      int64_t step, const float *factors, float *sums);
