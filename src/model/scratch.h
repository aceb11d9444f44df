// Memory of one Forward, taken once at load for the largest batch: buffers that all threads share,
// and a set of buffers for each thread. The parts ask for them by name; parts that ask for the same
// name get the same buffer, as large as the largest of them needs. So a name stands for one use in
// a layer, and what a part leaves there lasts until another part of that name runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/memory.h"

namespace infe::model {

// Names of one list; an index into the buffers made from it.
enum class BufferId : uint32_t {};

class BufferPlan {
 public:
  BufferId Bytes(std::string_view name, size_t bytes);
  BufferId Floats(std::string_view name, size_t count) {
    return Bytes(name, count * sizeof(float));
  }
  // Of all buffers together.
  size_t total() const;

 private:
  friend class Buffers;
  struct Need {
    std::string name;
    size_t bytes;
  };
  std::vector<Need> needs_;
};

struct ScratchPlan {
  BufferPlan shared;
  BufferPlan own;  // of each thread
};

// One memory, cut into the buffers of a plan. A buffer of no bytes is null.
class Buffers {
 public:
  explicit Buffers(const BufferPlan& plan);

  std::byte* Bytes(BufferId id) const { return at_[static_cast<size_t>(id)]; }
  float* Floats(BufferId id) const { return reinterpret_cast<float*>(Bytes(id)); }

 private:
  HugeBuffer memory_;
  std::vector<std::byte*> at_;
};

struct Scratch {
  Scratch(const ScratchPlan& plan, uint32_t thread_count);

  Buffers shared;
  // A memory per thread: no page, and no cache line, is shared by two threads' private data.
  std::vector<Buffers> threads;
};

}  // namespace infe::model
