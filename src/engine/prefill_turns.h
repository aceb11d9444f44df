// Whose prompt is computed next. Keys with prompts in the batch take turns by what each has had of
// the prefill ("Start-time Fair Queuing", SIGCOMM 1996), so that one key's long prompts, however
// many and however old, leave a short one of another key a turn within a step or two. How one key's
// own prompts follow each other is the scheduler's (scheduler.h).
//
// A turn is judged by its end: of two keys that have had the same, the one goes first that will be
// done with less. Engine thread only.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace infe::engine {

class PrefillTurns {
 public:
  // Of a prompt, as much as counts for its turn: shorter ones go before longer ones by at most so
  // many tokens.
  static constexpr uint32_t kTurnTokens = 256;

  // The keys whose prompts are in the batch now. One that was not there before starts with the
  // least of those that were: being away saves nothing up, and coming back is no fresh start.
  void SetPresent(std::span<const std::string* const> keys);
  // Tokens of a prompt of the key that were computed, over its weight; those deep in a long prompt
  // count as more (Chunk::turn_tokens).
  void Charge(std::string_view key, double tokens);
  // What the key will have had after a turn for a prompt with so many tokens left.
  double After(std::string_view key, uint32_t remaining, double weight) const;

 private:
  struct Account {
    double tokens = 0;
    bool present = false;
  };
  std::map<std::string, Account, std::less<>> accounts_;
  double floor_ = 0;  // no key enters below it; never falls
};

}  // namespace infe::engine
