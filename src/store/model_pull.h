// Brings a model of the registry onto this machine: tries its sources in order, checks the SHA-256
// of what arrived and only then renames it into place. Interrupted work is kept aside in
// models/.pull-NAME/ and taken up again by the next pull; the model's own file name never holds
// half a file.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "store/model_file.h"
#include "store/model_registry.h"

namespace infe::store {

struct PullProgress {
  std::string step;  // "downloading part 2 of 6", "checking"
  uint64_t done_bytes = 0;
  uint64_t total_bytes = 0;  // 0: unknown
};

struct PullOptions {
  std::function<void(const PullProgress&)> on_progress;  // optional, a few times a second
  std::function<void(const std::string&)> on_notice;     // optional: a sentence for the user
  std::function<bool()> cancelled;                       // optional, polled
  bool offline = false;    // never open a socket: an error unless the model is there
  bool force = false;      // fetch it although it is there; what is there stays until then
  bool keep_old = false;   // what is there is good, if older: it stays until the new one is whole
  uint64_t bytes_max = 0;  // the user's own bound on the file; 0: kPullBytesMaxDefault
  std::string python = "python3";
};

// How a pull hashes: all bytes, with its progress and its end.
HashOptions Checking(const PullOptions& options);

struct PulledModel {
  InstalledModel model;
  bool already_there = false;
};

// On failure the error's message lists what each source said.
Result<PulledModel> PullModel(const ModelRegistry& registry, const ModelSpec& spec,
                              const PullOptions& options);
// Removes the file and what a broken pull left. NotFound if it is not installed.
Result<void> RemoveModel(const ModelRegistry& registry, const ModelSpec& spec);

}  // namespace infe::store
