// Bounds of the Messages API that are part of its wire format, not of the configuration.
#pragma once

#include <cstddef>

namespace infe::api::anthropic {

// Of tools. Longer than elsewhere: agents put the names of a server and of its tool into one.
inline constexpr size_t kToolNameMax = 128;  // [A-Za-z0-9_-]{1,128}
// No published limit; each one costs a comparison per character of the answer.
inline constexpr size_t kStopSequencesMax = 64;
// Blocks of one message, or of one tool's result: an agent's longest turns have some hundred.
inline constexpr size_t kBlocksMax = 4096;

}  // namespace infe::api::anthropic
