// The codebooks of the types whose codes are numbers of vectors: IQ2_* (eight values a vector) and
// IQ3_* (four). An entry is a word whose lowest byte is the first value, a magnitude; signs are
// stored apart. The numbers were found by a search, no rule makes them: tools/codebooks writes them
// when infe is built. A build that could not have them has zeros, and its registry leaves these
// types out.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant/block_fields.h"

namespace infe::kernels {

extern const bool kHaveCodebooks;
extern const uint64_t kIq2XxsCodebook[256];  // of 8, 25, 43
extern const uint64_t kIq2XsCodebook[512];   // of the same
extern const uint64_t kIq2SCodebook[1024];   // of the same
extern const uint32_t kIq3XxsCodebook[256];  // of 4, 12, 20, 28, 36, 44, 52, 62
extern const uint32_t kIq3SCodebook[512];    // of 1, 3, 5, 7, 9, 11, 13, 15

// Seven stored signs and the eighth, which makes the number of minus signs even.
uint8_t EvenSigns(uint32_t seven);

// out[256] of a block: value i is scales[i / 16] times its entry's magnitude, with its sign.
void DequantiseEntries(const BlockFields& fields, const uint64_t* codebook, const float* scales,
                       float* out);
void DequantiseEntries(const BlockFields& fields, const uint32_t* codebook, const float* scales,
                       float* out);

}  // namespace infe::kernels
