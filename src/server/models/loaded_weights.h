// Weights that are in memory, by what was loaded: a file that is served under its own name and
// drafts for another model is there once. They live as long as somebody uses them, not longer.
// One thread, the one that loads.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "model/model.h"

namespace infe::server {

class LoadedWeights {
 public:
  // what: the file's digest, and all that it was loaded with. Null: not there.
  std::shared_ptr<const model::ModelWeights> Find(const std::string& what) const {
    const auto found = weights_.find(what);
    return found == weights_.end() ? nullptr : found->second.weights.lock();
  }
  void Add(const std::string& what, const std::shared_ptr<const model::ModelWeights>& weights,
           uint64_t bytes) {
    std::erase_if(weights_, [](const auto& entry) { return entry.second.weights.expired(); });
    weights_[what] = {weights, bytes};
  }
  // Of all that somebody uses, each once, however many models run over them.
  uint64_t bytes() const {
    uint64_t sum = 0;
    for (const auto& [what, entry] : weights_)
      if (!entry.weights.expired()) sum += entry.bytes;
    return sum;
  }

 private:
  struct Entry {
    std::weak_ptr<const model::ModelWeights> weights;
    uint64_t bytes = 0;
  };
  std::map<std::string, Entry> weights_;
};

}  // namespace infe::server
