// How commands find a model file: a registry name that was pulled, or the path of a GGUF.
#pragma once

#include <string>

#include "base/result.h"
#include "model/gguf.h"
#include "store/model_file.h"
#include "store/model_registry.h"

namespace infe::cli {

struct FoundModel {
  store::DataDir dir;
  // Of a path: no digest is asked of it, and its name is what was given.
  store::InstalledModel installed;
};

// NotFound says how to get it. Nothing of the file is read.
Result<FoundModel> FindModel(const std::string& name_or_path, const std::string& data_dir);
// Its file, hashed (or stamped) and with the digest that the registry asks of a name.
Result<store::ModelFile> OpenModelFile(const FoundModel& model,
                                       const store::HashOptions& options = {});
// Its header and tensors. What the registry names is verified; of a path nothing is asked, and
// nothing is hashed.
Result<model::GgufFile> OpenGguf(const std::string& name_or_path, const std::string& data_dir);

}  // namespace infe::cli
