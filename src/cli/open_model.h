// How commands find a model file: a registry name that was pulled, or the path of a GGUF.
#pragma once

#include <string>

#include "base/result.h"

namespace infe::cli {

// The file's path. NotFound says how to get it.
Result<std::string> FindModelFile(const std::string& name_or_path, const std::string& data_dir);

}  // namespace infe::cli
