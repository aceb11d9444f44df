// Whether this program can serve a model file, as far as its header tells: nothing of the weights
// is read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "model/gguf.h"

namespace infe::cli {

// Why not, in a sentence; nullopt: nothing speaks against it. memory_bytes: of this machine.
std::optional<std::string> WhyNotHere(const model::GgufFile& file, uint64_t memory_bytes);

// Said before gigabytes come that nothing here could run: kUnsupported, naming it, where infe does
// not run this general.architecture.
Result<void> CheckArchitecture(const std::string& architecture);

// About what serving a model of so many bytes takes by itself: its weights, and the keys and values
// of attention at the default kv_memory.
uint64_t ServingBytes(uint64_t model_bytes);

// All of this machine's memory, in use or not.
uint64_t MachineMemoryBytes();

}  // namespace infe::cli
