// As api_chat_request_fuzz, for the body of /v1/completions.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/openai/completion_request.h"
#include "base/check.h"
#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const infe::api::ParseOptions options;
  const auto parsed = infe::api::ParseCompletionRequest(body, options);
  if (!parsed) {
    INFE_CHECK(parsed.error().status == 400);
    INFE_CHECK(!parsed.error().message.empty() && parsed.error().message.size() < 4096);
    INFE_CHECK(infe::ParseJson(infe::api::WriteError(parsed.error())).has_value());
    return 0;
  }
  INFE_CHECK(!parsed->prompts.empty());
  INFE_CHECK(parsed->prompts.size() * static_cast<size_t>(parsed->n) <=
             static_cast<size_t>(infe::api::kChoicesMax));
  INFE_CHECK(parsed->max_tokens >= 0);
  INFE_CHECK(!parsed->logprobs || (*parsed->logprobs >= 0 && *parsed->logprobs <= 5));
  for (const auto& prompt : parsed->prompts)
    if (const auto* tokens = std::get_if<std::vector<int64_t>>(&prompt))
      for (const int64_t token : *tokens) INFE_CHECK(token >= 0);
  return 0;
}
