// The models being served, by name and alias. Looked up on every request, changed on start and
// reload only.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/models/served_model.h"

namespace infe::server {

class ModelSet {
 public:
  ModelSet() = default;
  // Ends the engines. Requests that still hold their model may let go of it later, on any thread.
  ~ModelSet();
  ModelSet(const ModelSet&) = delete;
  ModelSet& operator=(const ModelSet&) = delete;

  // Null if no such model is served.
  std::shared_ptr<ServedModel> Find(std::string_view name_or_alias) const;
  std::vector<std::shared_ptr<ServedModel>> All() const;
  // Memory planned for the set's models, for retired ones and for these, each once, without
  // weights: models share them, and LoadedWeights counts them.
  uint64_t StepsAndStates(std::span<const std::shared_ptr<ServedModel>> models) const;
  // From now on exactly these. What is not among them is retired: requests in flight keep it.
  void Set(std::vector<std::shared_ptr<ServedModel>> models);
  // Lets go of retired models that no request holds any more. To be called now and then: a model
  // must not end with its last request, since that may be on the engine's own thread.
  void Reap();

 private:
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<ServedModel>> models_;  // guarded by mutex_, as is
  std::vector<std::shared_ptr<ServedModel>> retired_;
};

}  // namespace infe::server
