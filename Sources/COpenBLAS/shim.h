#pragma once
// Real arithmetic only: without this LAPACKE pulls in C99 complex numbers, which Swift cannot import.
#define LAPACK_COMPLEX_STRUCTURE
#include <cblas.h>
#include <lapacke.h>
