#pragma once
#include <stdint.h>

/// Counts elements in bins of equal width on either side of zero, each closed at its far end:
/// bin i > 0 holds (i-1) · width < x <= i · width, bin -i its mirror image, bin 0 what divides to
/// zero. Adds to `counts`, which holds `bins` bins below zero, the zero, and `bins` above it;
/// elements beyond them count in the outermost. Every element must be finite and width positive.
void gyro_histogram(const float *x, int64_t count, float width, int64_t bins, int64_t *counts);

/// The plain loop that the kernel above must equal.
void gyro_reference_histogram(const float *x, int64_t count, float width, int64_t bins,
                              int64_t *counts);
