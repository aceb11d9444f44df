// A custom tool takes one text. To the model it is a function with one string, so a call of it
// reads
// {"input": "..."}; this takes that object piece by piece and gives out what the string means.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"

namespace infe::chat {

// The name of the one member.
inline constexpr std::string_view kCustomInputKey = "input";

// The arguments of a call with this input, as templates replay it.
std::string CustomInputArguments(std::string_view input);

class CustomInput {
 public:
  // The decoded text that the piece completes; half an escape or half a surrogate pair waits for
  // the rest. Never fails: what is no JSON string ends the input.
  std::string Feed(std::string_view piece);

 private:
  // kBefore (up to the value's opening quote) -> kText <-> kEscape <-> kHex -> kBehind
  enum class State : uint8_t { kBefore, kText, kEscape, kHex, kBehind };
  void Step(char c, std::string& out);
  void TakeUnit(std::string& out);

  State state_ = State::kBefore;
  int quotes_ = 0;     // seen in kBefore: the key has two
  uint32_t unit_ = 0;  // of \uXXXX, the digits so far
  uint32_t digits_ = 0;
  uint32_t high_ = 0;  // a high surrogate that waits for its low one; 0: none
};

}  // namespace infe::chat
