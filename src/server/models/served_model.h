// One model in service: who answers for it, the gate in front of it, and where it comes from.
// Immutable but for the gate. Held by shared_ptr: a request in flight keeps its model alive while a
// reload replaces it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "answer/backend.h"
#include "server/door/queue_gate.h"
#include "server/models/memory_budget.h"
#include "store/model_registry.h"

namespace infe::server {

class ServedModel {
 public:
  // What is known of it beside its backend's facts.
  struct Origin {
    store::InstalledModel installed = {};
    std::string file_sha256 = {};   // of the file's own bytes, as they were loaded, in hex
    std::string draft_sha256 = {};  // of the model that drafts for it; empty: none
    uint64_t draft_bytes = 0;       // size of that file
    double load_seconds = 0;
    ModelMemory memory = {};
  };

  // queue_wait_ms: how long prompts that wait may take to compute; 0: no such bound.
  ServedModel(std::shared_ptr<answer::Backend> backend, Origin origin,
              const QueueGate::Limits& limits, double queue_wait_ms)
      : backend_(std::move(backend)),
        origin_(std::move(origin)),
        queue_wait_ms_(queue_wait_ms),
        gate_(std::make_unique<QueueGate>(limits)) {}

  const std::string& name() const { return backend_->facts().name; }
  const std::vector<std::string>& aliases() const { return backend_->facts().aliases; }
  uint32_t context_max() const { return backend_->facts().context_max; }
  answer::Backend& backend() const { return *backend_; }
  // Nobody but this holds the backend: no answer is under way.
  bool is_idle() const { return backend_.use_count() == 1; }
  const store::InstalledModel& installed() const { return origin_.installed; }
  // Whether it is what such an entry, such a file and such a draft model's file would give.
  bool IsStill(const store::InstalledModel& entry, const std::string& file_sha256,
               const std::string& draft_sha256) const {
    return name() == entry.name && origin_.file_sha256 == file_sha256 &&
           origin_.draft_sha256 == draft_sha256 && installed().draft == entry.draft &&
           installed().defaults == entry.defaults && installed().embedding == entry.embedding;
  }
  const std::string& file_sha256() const { return origin_.file_sha256; }
  uint64_t draft_bytes() const { return origin_.draft_bytes; }
  double load_seconds() const { return origin_.load_seconds; }
  // That was planned for it; nothing if it is elsewhere.
  const ModelMemory& memory() const { return origin_.memory; }

  QueueGate& gate() const { return *gate_; }
  // What a token of a prompt takes, as it is measured; 0: not known yet.
  double prefill_ms_per_token() const { return backend_->load().prefill_ms_per_token; }
  // Prompt tokens that can be computed within queue_wait_ms.
  uint64_t QueueTokensMax(double ms_per_token) const {
    if (queue_wait_ms_ <= 0 || ms_per_token <= 0) return UINT64_MAX;
    return static_cast<uint64_t>(queue_wait_ms_ / ms_per_token);
  }

 private:
  const std::shared_ptr<answer::Backend> backend_;
  const Origin origin_;
  const double queue_wait_ms_;
  const std::unique_ptr<QueueGate> gate_;
};

}  // namespace infe::server
