// A model put together from parts: plans them, loads their tensors, takes the memory of a step.
#pragma once

#include <memory>

#include "base/result.h"
#include "base/thread_pool.h"
#include "kernels/table.h"
#include "model/gguf.h"
#include "model/model.h"
#include "model/model_config.h"
#include "model/parts/parts.h"

namespace infe::model {

// As Model::Load, with a config and parts that have been made.
Result<std::unique_ptr<Model>> LoadParts(const GgufFile& file, ModelConfig config, ModelParts parts,
                                         ThreadPool& pool, const kernels::KernelTable& kernels,
                                         const LoadOptions& options);

}  // namespace infe::model
