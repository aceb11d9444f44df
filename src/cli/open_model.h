// How commands find a model file: a registry name that was pulled, or the path of a GGUF.
#pragma once

#include <string>

#include "base/result.h"
#include "store/model_registry.h"

namespace infe::cli {

// Of a path only the path is known. NotFound says how to get the model.
Result<store::InstalledModel> FindModel(const std::string& name_or_path,
                                        const std::string& data_dir);
// The file's path alone.
Result<std::string> FindModelFile(const std::string& name_or_path, const std::string& data_dir);

}  // namespace infe::cli
