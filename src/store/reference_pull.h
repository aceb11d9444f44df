// Brings a model onto this machine that no registry pins: by what Hugging Face has, by a URL, from
// a path. Its digest is the hub's own where there is one, and what arrived where there is none; it
// is noted (store/pulled_models.h) and pinned from then on.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "store/model_pull.h"
#include "store/model_reference.h"
#include "store/model_registry.h"

namespace infe::store {

struct ReferencePull {
  ModelReference reference;
  std::string name;  // what it is to be called here; empty: as its file is
  // Of the entry in the catalogue, where it is one.
  ModelSpec entry;
  // Asked with general.architecture before the file is downloaded: what the entry or the hub says
  // of it, or what its own beginning says. An error ends the pull.
  std::function<Result<void>(const std::string& architecture)> check_architecture;  // optional
};

// kAlreadyExists where a model of this name was pulled from elsewhere; kCorrupt where what is there
// is no GGUF file.
Result<PulledModel> PullReference(const ModelRegistry& registry, const ReferencePull& pull,
                                  const PullOptions& options);

}  // namespace infe::store
