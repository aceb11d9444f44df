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

// As Model::Needs. The parts are planned by it, and of no use for anything else afterwards.
Result<ModelNeeds> NeedsOfParts(const GgufFile& file, const ModelConfig& config,
                                const ModelParts& parts, uint32_t threads,
                                const kernels::KernelTable& kernels, const LoadOptions& options);

}  // namespace infe::model
