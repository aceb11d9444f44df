// The generations that are running, so that a server which stops can end each of them with a proper
// error instead of a cut connection.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>

#include "api/api_error.h"

namespace infe::server {

class Generation;

// Thread-safe.
class LiveGenerations {
 public:
  void Add(const std::shared_ptr<Generation>& generation);
  void Remove(const Generation* generation);
  // Generation::Fail on every one.
  void FailAll(const api::ApiError& error);
  size_t size() const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<const Generation*, std::weak_ptr<Generation>> live_;  // guarded by mutex_
};

}  // namespace infe::server
