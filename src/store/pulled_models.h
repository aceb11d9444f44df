// pulled.toml: the entry of each model that was pulled by a reference instead of a registry's
// entry, with the digest of what came. From then on that digest is what the model must have.
// Written by `infe pull` and `infe rm` alone; a registry file in form, read by ModelRegistry::Load.
#pragma once

#include <string_view>

#include "base/result.h"
#include "store/data_dir.h"
#include "store/model_registry.h"

namespace infe::store {

// Adds the entry, or puts it in the place of the one with its name. One writer at a time, over all
// processes; the file is replaced as a whole.
Result<void> NotePulled(const DataDir& dir, const ModelSpec& spec);
// Nothing happens where there is none.
Result<void> ForgetPulled(const DataDir& dir, std::string_view name);

}  // namespace infe::store
