// The AVX-512 intrinsics and the namespace of what is compiled with them. The tests compile the
// same sources once more over an emulation of the instructions, under another namespace. First of
// the includes of every avx512/*.cc.
#pragma once

#ifdef INFE_EMULATE_AVX512
#include "kernels/avx512/emulation_test.h"
#else
#include <immintrin.h>
#define INFE_AVX512_NAMESPACE avx512
#endif
