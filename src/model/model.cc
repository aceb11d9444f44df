#include "model/model.h"

#include <utility>

#include "model/arch/registry.h"
#include "model/gguf.h"
#include "model/loaded_model.h"
#include "model/parts/parts.h"

namespace infe::model {

Result<std::unique_ptr<Model>> Model::Load(const GgufFile& file, ThreadPool& pool,
                                           const kernels::KernelTable& kernels,
                                           const LoadOptions& options) {
  INFE_ASSIGN(ModelConfig config, ReadModelConfig(file));
  ModelParts parts = MakeParts(config);
  return LoadParts(file, std::move(config), std::move(parts), pool, kernels, options);
}

Result<ModelNeeds> Model::Needs(const GgufFile& file, uint32_t threads,
                                const kernels::KernelTable& kernels, const LoadOptions& options) {
  INFE_ASSIGN(const ModelConfig config, ReadModelConfig(file));
  const ModelParts parts = MakeParts(config);
  return NeedsOfParts(file, config, parts, threads, kernels, options);
}

}  // namespace infe::model
