// The answers that are under way, so that a server which stops can end each of them with a proper
// error instead of a cut connection.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "answer/backend.h"

namespace infe::server {

// Thread-safe.
class LiveAnswers {
 public:
  void Add(const std::shared_ptr<answer::Running>& answer);
  // Running::Fail on every one that has not ended, and on every one that is added from now on: an
  // answer may begin while the server decides to stop.
  void FailAll(const answer::AnswerError& error);

 private:
  std::mutex mutex_;
  // Guarded by mutex_. Those that have ended are dropped when their number has doubled.
  std::vector<std::weak_ptr<answer::Running>> live_;
  size_t sweep_at_ = 64;
  std::optional<answer::AnswerError> over_;  // guarded by mutex_: what FailAll said
};

}  // namespace infe::server
