// The prefix cache over a restart: opens the file of an earlier engine, and writes that of this
// one. What is read must be what this engine would compute, bit for bit, so besides the file's own
// checks the engine computes a few of its tokens again.
//
// Engine thread only.
#pragma once

#include <string>

#include "engine/engine.h"
#include "engine/prefix_file.h"
#include "engine/state_cache.h"
#include "model/model.h"

namespace infe::engine {

class PrefixStore {
 public:
  // All borrowed.
  PrefixStore(model::StepModel& model, const EngineOptions& options, StateCache& cache)
      : model_(model), options_(options), cache_(cache) {}

  // Gives the cache the file of the options, if there is one and it can be used.
  void Open();
  // Writes what the cache remembers to that file. Blocking.
  void Save() const;

 private:
  PrefixFileKind Kind() const;
  bool ComputesTheSame(PrefixFile& file);
  void Notice(const std::string& line) const;

  model::StepModel& model_;
  const EngineOptions& options_;
  StateCache& cache_;
};

}  // namespace infe::engine
