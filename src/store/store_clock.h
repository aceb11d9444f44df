// The time by which keys end and quotas begin. It is the machine's wall clock as long as that goes
// as the kernel's uninterrupted clock does, and it never goes back:
//
//   the wall clock      what it is taken for
//   goes on             itself
//   jumps back          a mistake: time goes on as before
//   jumps ahead         perhaps right, perhaps not: it is followed, and what happens meanwhile is
//                       marked (jumped), so that quotas count it in periods of their own. Back
//                       where it was, everything is as if it had never gone; still there after an
//                       hour, it is believed.
//   is behind what the database has seen, at a start
//                       time goes on from there, so that no spent quota comes back; where the clock
//                       then passes that, it is believed at once
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace infe::store {

class StoreClock {
 public:
  struct Sources {
    std::function<int64_t()> wall_ms;    // Unix milliseconds, as anybody may set them
    std::function<int64_t()> steady_ms;  // goes on evenly, through suspension too
    static Sources System();
  };
  struct Reading {
    int64_t unix_ms = 0;
    bool jumped = false;  // the wall clock has jumped ahead to this and is not believed yet
    int64_t unix_s() const { return unix_ms / 1000; }
  };

  // floor_ms: the latest moment that the database knows of.
  explicit StoreClock(Sources sources = Sources::System(), int64_t floor_ms = 0);

  // Thread-safe, all of them.
  Reading Now();
  int64_t unix_s() { return Now().unix_s(); }
  // Sentences for the log about what it has noticed since the last call.
  std::vector<std::string> TakeNotes();

 private:
  Reading NowLocked();
  Reading Ahead(int64_t wall, int64_t steady, int64_t ahead);

  const Sources sources_;
  std::mutex mutex_;
  // The line of time: base_ms_ at base_steady_ms_, and on from there.
  int64_t base_ms_, base_steady_ms_;
  bool jumped_ = false, behind_ = false;
  bool unsure_ = false;  // the line began where the database ended, however long ago that was
  int64_t jump_ms_ = 0, jumped_at_steady_ms_ = 0;
  std::vector<std::string> notes_;
};

}  // namespace infe::store
