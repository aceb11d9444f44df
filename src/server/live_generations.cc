#include "server/live_generations.h"

#include <vector>

#include "server/generation.h"

namespace infe::server {

void LiveGenerations::Add(const std::shared_ptr<Generation>& generation) {
  const std::lock_guard lock(mutex_);
  live_.emplace(generation.get(), generation);
}

void LiveGenerations::Remove(const Generation* generation) {
  const std::lock_guard lock(mutex_);
  live_.erase(generation);
}

void LiveGenerations::FailAll(const api::ApiError& error) {
  // Held outside the lock: the last reference may go here, and its destructor comes back to Remove.
  std::vector<std::shared_ptr<Generation>> held;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, weak] : live_)
      if (auto generation = weak.lock()) held.push_back(std::move(generation));
  }
  for (const auto& generation : held) generation->Fail(error);
}

size_t LiveGenerations::size() const {
  const std::lock_guard lock(mutex_);
  return live_.size();
}

}  // namespace infe::server
