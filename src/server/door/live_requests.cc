#include "server/door/live_requests.h"

namespace infe::server {

LiveRequests::Place::Place(LiveRequests& live, std::atomic<bool>& cancelled)
    : live_(live), cancelled_(cancelled) {
  const std::lock_guard lock(live_.mutex_);
  live_.flags_.insert(&cancelled_);
  if (live_.cancelled_) cancelled_.store(true);
}

LiveRequests::Place::~Place() {
  const std::lock_guard lock(live_.mutex_);
  live_.flags_.erase(&cancelled_);
}

size_t LiveRequests::count() const {
  const std::lock_guard lock(mutex_);
  return flags_.size();
}

void LiveRequests::CancelAll() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
  for (std::atomic<bool>* flag : flags_) flag->store(true);
}

}  // namespace infe::server
