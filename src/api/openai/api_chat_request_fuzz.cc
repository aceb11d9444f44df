// Any bytes are either a chat request that keeps every documented bound, or an error that names its
// cause: never a crash, and the error is always valid JSON.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/openai/chat_completion_request.h"
#include "base/check.h"
#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using infe::api::Role;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  for (const bool strict : {false, true}) {
    const infe::api::ParseOptions options{.strict_params = strict, .json_word_check = strict};
    const auto parsed = infe::api::ParseChatCompletionRequest(body, options);
    if (!parsed) {
      INFE_CHECK(parsed.error().status == 400);
      INFE_CHECK(!parsed.error().message.empty() && parsed.error().message.size() < 4096);
      INFE_CHECK(infe::ParseJson(infe::api::WriteError(parsed.error())).has_value());
      continue;
    }
    INFE_CHECK(!parsed->messages.empty());
    INFE_CHECK(parsed->n >= 1 && parsed->n <= options.n_max);
    const double temperature = parsed->sampling.temperature.value_or(1);
    const double top_p = parsed->sampling.top_p.value_or(1);
    INFE_CHECK(temperature >= 0 && temperature <= 2);
    INFE_CHECK(top_p >= 0 && top_p <= 1);
    INFE_CHECK(parsed->sampling.repetition_penalty.value_or(1) > 0);
    INFE_CHECK(parsed->sampling.stop.size() <= options.stop_max);
    INFE_CHECK(!parsed->max_tokens || *parsed->max_tokens >= 1);
    INFE_CHECK(parsed->top_logprobs == 0 || parsed->logprobs);
    INFE_CHECK(parsed->ignored.Header().find_first_of("\r\n") == std::string::npos);
    for (const auto& message : parsed->messages)
      INFE_CHECK(message.role != Role::kTool || !message.tool_call_id.empty() ||
                 message.name.empty());
  }
  return 0;
}
