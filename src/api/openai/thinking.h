// How much a model is to think, as the clients of many servers say it: reasoning_effort;
// enable_thinking; thinking_token_budget or thinking_budget; the objects `reasoning` and
// `thinking`; and chat_template_kwargs, the template's own variables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/fields.h"
#include "base/json.h"

namespace infe::api {

enum class ReasoningEffort { kNone, kMinimal, kLow, kMedium, kHigh, kXHigh, kMax };
std::string_view Name(ReasoningEffort effort);

struct ThinkingFields {
  std::optional<bool> on;  // unset: as the effort says, else as the template does
  std::string on_param;    // where it was said; "" if nowhere
  std::optional<ReasoningEffort> effort;
  std::string effort_param;
  std::optional<int64_t> tokens_max;  // >= 0
  std::string tokens_max_param;
  Json template_arguments;  // an object, or null
};

// Two fields that say different things are an error.
ThinkingFields ParseThinking(Fields& body);

}  // namespace infe::api
