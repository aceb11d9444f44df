// From an opened and hashed model file to what stands in it.
#pragma once

#include "base/result.h"
#include "model/gguf.h"
#include "store/model_file.h"

namespace infe::server {

// All parts of it, where it was split. Errors as GgufFile::Read and Join.
Result<model::GgufFile> ReadGguf(store::ModelFile file);

}  // namespace infe::server
