// Any bytes are either a Messages request that keeps every documented bound, or an error that names
// its cause: never a crash, and the error is always valid JSON.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/anthropic/error.h"
#include "api/anthropic/limits.h"
#include "api/anthropic/messages_ask.h"
#include "api/anthropic/messages_request.h"
#include "base/check.h"
#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace wire = infe::api::anthropic;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  for (const bool strict : {false, true}) {
    const auto parsed = wire::ParseMessagesRequest(body, {.strict_params = strict});
    if (!parsed) {
      INFE_CHECK(parsed.error().status == 400);
      INFE_CHECK(!parsed.error().message.empty() && parsed.error().message.size() < 4096);
      INFE_CHECK(infe::ParseJson(wire::WriteError(parsed.error())).has_value());
      continue;
    }
    INFE_CHECK(!parsed->messages.empty() && parsed->max_tokens >= 1);
    INFE_CHECK(parsed->stop_sequences.size() <= wire::kStopSequencesMax);
    INFE_CHECK(parsed->ignored.Header().find_first_of("\r\n") == std::string::npos);
    const infe::answer::ChatAsk ask = wire::ToAsk(*parsed);
    INFE_CHECK(ask.tool_policy.mode != infe::answer::ToolPolicy::Mode::kRequired ||
               !ask.tools.empty());
    for (const auto& message : ask.messages)
      INFE_CHECK(message.role != infe::chat::Role::kTool || !message.tool_calls.size());
  }
  return 0;
}
