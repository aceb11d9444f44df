// Names of the registry move: what a release calls infe-pulse may be another file than before. A
// file that lies here under yesterday's name is kept under today's and never downloaded again.
#pragma once

#include <string>

#include "base/result.h"
#include "store/model_pull.h"

namespace infe::store {

// The file of `spec` has the digest `sha256`, which is not the registry's. Gives it the name of the
// entry that has this digest, or removes it: no entry's, or that entry has its file. Returns the
// entry's name, empty if there is none.
Result<std::string> FreeName(const ModelRegistry& registry, const ModelSpec& spec,
                             const std::string& sha256);

// Makes the file of `spec`, which is missing, out of a file with its size and digest that is here
// by the name of another entry. That name loses the file, which its entry would not accept; if both
// entries want this digest, the file gets a second name. Returns the entry's name, empty if no file
// fits. Hashes files of that size.
Result<std::string> TakeInstalled(const ModelRegistry& registry, const ModelSpec& spec,
                                  const PullOptions& options);

}  // namespace infe::store
