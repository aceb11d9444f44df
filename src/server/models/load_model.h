// From a model file to a model in service, as the configuration says.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/thread_pool.h"
#include "kernels/table.h"
#include "server/config/config.h"
#include "server/models/memory_budget.h"
#include "server/models/served_model.h"
#include "store/model_file.h"
#include "store/model_registry.h"

namespace infe::server {

// Who is told while a model is loaded, and of what it says afterwards.
struct LoadWatch {
  // Optional: lines for the operator, also from the engine's thread, also later.
  std::function<void(const std::string&)> say = {};
  // Optional: from one thread at a time, of the weights, 0 to 1.
  std::function<void(double fraction)> on_progress = {};
};

// Loads from `file`, which was opened for `installed`: everything that is said of the model's file
// (digest, fingerprint, what side files belong to) is said of these bytes. pool and kernels outlive
// the model. Side files go below data_dir. Blocking: seconds for a large file.
Result<std::shared_ptr<ServedModel>> LoadServedModel(
    const store::InstalledModel& installed, store::ModelFile file, const ServerConfig& config,
    const std::string& data_dir, ThreadPool& pool, const kernels::KernelTable& kernels,
    const LoadWatch& watch, const MemoryBudget& budget = {});

}  // namespace infe::server
