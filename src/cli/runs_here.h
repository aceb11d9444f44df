// Whether this program can serve a model file, as far as its header tells: nothing of the weights
// is read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/gguf.h"

namespace infe::cli {

// Why not, in a sentence; nullopt: nothing speaks against it. memory_bytes: of this machine.
std::optional<std::string> WhyNotHere(const model::GgufFile& file, uint64_t memory_bytes);

// All of this machine's memory, in use or not.
uint64_t MachineMemoryBytes();

}  // namespace infe::cli
