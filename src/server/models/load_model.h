// From a model file to a model in service, as the configuration says.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/thread_pool.h"
#include "kernels/table.h"
#include "server/config/config.h"
#include "server/models/loaded_weights.h"
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

// A model that drafts for another one.
struct DraftFile {
  std::string name;
  store::ModelFile file;
};

// Of the model that the entry of `installed` says drafts for it. None: it says none or the
// configuration wants none; or, told to `warn`, it is not here or damaged: the model goes on
// without.
std::optional<DraftFile> OpenDraft(const store::DataDir& dir,
                                   const store::InstalledModel& installed,
                                   const ServerConfig& config,
                                   const std::function<void(const std::string&)>& warn);

// What a load needs beside the model's own file. All that is a reference is borrowed; pool and
// kernels outlive the model.
struct LoadFrame {
  const ServerConfig& config;
  std::string data_dir = {};  // side files go below it
  ThreadPool& pool;
  const kernels::KernelTable& kernels;
  LoadWatch watch = {};
  LoadedWeights* weights = nullptr;  // of other models, and of these from now on; may be null
  MemoryBudget budget = {};
  std::optional<DraftFile> draft = {};  // guesses ahead for the model
};

// Loads from `file`, which was opened for `installed`: everything that is said of the model's file
// (digest, fingerprint, what side files belong to) is said of these bytes. A draft model of another
// vocabulary, or of a kind that cannot draft, is refused; one that cannot be read, or that the
// budget has no room for beside the model, is told and left out. Blocking: seconds for a large
// file.
Result<std::shared_ptr<ServedModel>> LoadServedModel(const store::InstalledModel& installed,
                                                     store::ModelFile file, LoadFrame frame);

// A line for the operator: what was loaded, and which model drafts for it.
std::string LoadedWords(const ServedModel& model);

}  // namespace infe::server
