#pragma once
#include <stdint.h>

/// destination[i] = table[ids[i]]: rows of `columns` floats. Ids must lie in the table.
void gyro_embedding(const float *table, int64_t columns, const int32_t *ids, int64_t count,
                    float *destination);

/// destination[row] = Σ of cotangent[i] over the i with ids[i] = row, added in the order of i;
/// all `rows` rows are written. Threads share out columns, so nothing races.
void gyro_embedding_gradient(const float *cotangent, int64_t rows, int64_t columns,
                             const int32_t *ids, int64_t count, float *destination);
