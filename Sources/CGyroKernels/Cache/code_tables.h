#pragma once
#include "code_rows.h"

// Scores by tables: what the codes in one nibble of a row (one of 4 or 3 bits, two of 2, four of 1)
// add to a score depends on the query alone, so that a table of 16 sums answers a nibble of sixteen
// rows at once.

enum { code_tables_limit = 128 * 16 };  // floats: a table for each nibble of a row

/// How many of `count` rows, from the first, are better scored by tables: a multiple of 16.
int64_t code_rows_by_tables(int variant, const gyro_code_rows *rows, int64_t count);

/// Scores of so many rows, as `code_score_chunk_on` gives them.
void code_table_scores(const gyro_code_rows *rows, const uint8_t *packed, int64_t count,
                       const float *query, const float *scales, float *scores);
