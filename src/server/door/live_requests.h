// The requests between their head and their end: how many there are, and a flag in each that tells
// whoever works on it to stop. A server that ends sets all of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <unordered_set>
#include <utility>

namespace infe::server {

// Thread-safe.
class LiveRequests {
 public:
  // One request that is being served, for as long as it lives; its flag outlives it.
  class Place {
   public:
    Place(LiveRequests& live, std::atomic<bool>& cancelled);
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    LiveRequests& live_;
    std::atomic<bool>& cancelled_;
  };

  size_t count() const;
  // Sets the flag of all there are and of all that come.
  void CancelAll();

 private:
  mutable std::mutex mutex_;
  std::unordered_set<std::atomic<bool>*> flags_;  // guarded by mutex_, as is
  bool cancelled_ = false;
};

}  // namespace infe::server
