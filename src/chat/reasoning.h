// Where an answer's reasoning stands: its marks, found from what a template renders, and whether an
// answer begins with it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace infe::chat {

// Whether the answer begins with reasoning.
enum class ReasoningMode : uint8_t {
  kNone,      // the model has none, or the prompt has closed it: all is answer
  kOptional,  // the answer may begin with the opening tag
  kOpen,      // the prompt ends inside the tags: the answer begins with reasoning
};

struct ReasoningTags {
  std::string begin = "<think>";
  std::string end = "</think>";
  bool operator==(const ReasoningTags&) const = default;
};

// Under which key of a message a template looks for the reasoning of earlier answers.
enum class ReasoningKey : uint8_t {
  kReasoningContent,
  kThinking,
  kPart,  // a part of the content: {"type": "thinking", "thinking": TEXT}
};

// The tag that a text ends with, and letters behind it; empty: none.
std::string_view TagAtEnd(std::string_view text);
// The marks around `reasoning` in a rendered text: <seed:think>, [THINK], <|START_THINKING|>, or a
// tag with a word behind it, <|channel>thought. nullopt where it has none.
std::optional<ReasoningTags> TagsAround(std::string_view text, std::string_view reasoning);

}  // namespace infe::chat
