// Which of several servers answers. Pure functions of what is known of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace infe::upstream {

enum class Balance : uint8_t {
  kLeast,   // whoever has the fewest requests under way for its weight
  kPrefix,  // equal beginnings of conversations go to the same server, whose prefix cache has them
};

struct Candidate {
  std::string_view name = {};
  double weight = 1;  // > 0
  uint32_t outstanding = 0;
  bool allowed = true;
  bool busy = false;  // has said that it has no room: only where nobody else is left
};

// turn: another number for each request; among equals it goes round. prefix: of the conversation's
// beginning. Nothing: nobody is allowed.
//
// kPrefix is rendezvous hashing: each server draws a number from its name and the prefix, and the
// highest (for its weight) has it; a server that goes or comes moves only its own share. One that
// has over kSpread times its share of what is under way is passed over, so that one popular prompt
// does not make one server slow while others idle.
std::optional<size_t> Choose(std::span<const Candidate> candidates, Balance balance, uint64_t turn,
                             uint64_t prefix);
inline constexpr double kSpread = 1.5;

uint64_t HashText(std::string_view text, uint64_t seed = 0);

}  // namespace infe::upstream
