// Bringing one model onto this machine, with its progress on stderr, as infe pull and
// infe run --pull do.
#pragma once

#include <string>

#include "base/result.h"
#include "store/model_pull.h"
#include "store/model_registry.h"

namespace infe::cli {

struct PullWish {
  std::string name;     // of the registry, or a reference
  std::string as = {};  // what a model is to be called that no registry names
  bool quiet = false;   // no progress, no notices
};

// `options` without its callbacks, which are set here.
Result<store::PulledModel> PullOne(const store::ModelRegistry& registry, const PullWish& wish,
                                   store::PullOptions options);

// Whether `name` is one that can be had by pulling it under that name, and used under it then.
bool IsPullable(const std::string& name, const std::string& data_dir);
// A model of the registry, so that it can be used by its name. Ctrl-C ends it, and the next pull
// goes on from there.
Result<void> PullToUse(const std::string& name, const std::string& data_dir);

}  // namespace infe::cli
