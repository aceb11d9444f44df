#include "api/api_error.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace infe::api {
namespace {

// Every row of the error table: status, type, param, code; then the same through the JSON text.
TEST(ApiError, EveryRowHasItsStatusTypeParamAndCode) {
  struct Row {
    ApiError error;
    int status;
    const char* type;
    const char* param;  // "-": null
    const char* code;
  };
  const char* const kRequest = "invalid_request_error";
  const std::vector<std::string> ids{"call_1"};
  const std::vector<std::string_view> values{"a", "b"};
  const Row rows[] = {
      {MissingKey(), 401, kRequest, "-", "-"},
      {InvalidKey("sk-infe-0123456789abcdef"), 401, kRequest, "-", "invalid_api_key"},
      {InsufficientPermissions("chat"), 403, kRequest, "-", "insufficient_permissions"},
      {UnknownModel("gpt-9"), 404, kRequest, "-", "model_not_found"},
      {InvalidBody("x"), 400, kRequest, "-", "-"},
      {BodyNotObject(), 400, kRequest, "-", "-"},
      {MissingParameter("messages"), 400, kRequest, "messages", "missing_required_parameter"},
      {InvalidType("temperature", "a", "b"), 400, kRequest, "temperature", "invalid_type"},
      {InvalidEnum("messages[0].role", "x", values), 400, kRequest, "messages[0].role",
       "invalid_value"},
      {DecimalAboveMax("temperature", 2, "3"), 400, kRequest, "temperature",
       "decimal_above_max_value"},
      {DecimalBelowMin("temperature", 0, "-1"), 400, kRequest, "temperature",
       "decimal_below_min_value"},
      {IntegerAboveMax("n", 8, "9"), 400, kRequest, "n", "integer_above_max_value"},
      {IntegerBelowMin("n", 1, "0"), 400, kRequest, "n", "integer_below_min_value"},
      {EmptyArray("messages"), 400, kRequest, "messages", "empty_array"},
      {ArrayTooLong("stop", 4, 5), 400, kRequest, "stop", "array_above_max_length"},
      {UnknownParameter("x"), 400, kRequest, "x", "unknown_parameter"},
      {UnsupportedParameter("suffix"), 400, kRequest, "suffix", "unsupported_parameter"},
      {UnsupportedValue("store", "true", "false"), 400, kRequest, "store", "unsupported_value"},
      {InvalidCombination("max_tokens", "m"), 400, kRequest, "max_tokens",
       "invalid_parameter_combination"},
      {OnlyAllowedWhen("tool_choice", "x"), 400, kRequest, "tool_choice", "-"},
      {MissingJsonWord(), 400, kRequest, "messages", "-"},
      {InvalidResponseFormat("m"), 400, kRequest, "response_format", "-"},
      {InvalidFunctionParameters("tools[0].function.parameters", "m"), 400, kRequest,
       "tools[0].function.parameters", "invalid_function_parameters"},
      {ToolMessageWithoutCall(1), 400, kRequest, "messages.[1].role", "-"},
      {UnansweredCalls(2, ids), 400, kRequest, "messages.[2].role", "-"},
      {ContextLengthExceeded(2048, 3000), 400, kRequest, "messages", "context_length_exceeded"},
      {UnknownUrl("GET", "/x"), 404, kRequest, "-", "-"},
      {MethodNotAllowed("GET", "/v1/chat/completions", "POST"), 405, kRequest, "-",
       "method_not_supported"},
      {BodyTooLarge(16), 413, kRequest, "-", "-"},
      {HeadersTooLarge(32), 431, kRequest, "-", "-"},
      {UnsupportedContentType("text/plain"), 415, kRequest, "-", "-"},
      {RateLimited({.kind = RateKind::kRequests}), 429, "requests", "-", "rate_limit_exceeded"},
      {RateLimited({.kind = RateKind::kTokens}), 429, "tokens", "-", "rate_limit_exceeded"},
      {QuotaSpent(), 429, "insufficient_quota", "-", "insufficient_quota"},
      {Overloaded(1500), 503, "service_unavailable_error", "-", "server_is_overloaded"},
      {KeysMissing(), 503, "service_unavailable_error", "-", "keys_unavailable"},
      {DeadlinePassed(), 504, "server_error", "-", "timeout"},
      {ModelLoading(1000), 503, "service_unavailable_error", "-", "model_loading"},
      {ShuttingDown(1000), 503, "service_unavailable_error", "-", "shutting_down"},
      {InternalError(), 500, "server_error", "-", "-"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.error.message);
    EXPECT_EQ(row.error.status, row.status);
    const auto json = ParseJson(WriteError(row.error));
    ASSERT_TRUE(json.has_value());
    ASSERT_EQ(json->object().size(), 1u);
    const Json* error = json->find("error");
    ASSERT_NE(error, nullptr);
    ASSERT_EQ(error->object().size(), 4u);
    EXPECT_FALSE(error->find("message")->as_string().empty());
    EXPECT_EQ(error->find("type")->as_string(), row.type);
    const auto text = [&](std::string_view key) {
      const Json* value = error->find(key);
      return value->is_null() ? std::string("-") : value->as_string();
    };
    EXPECT_EQ(text("param"), row.param);
    EXPECT_EQ(text("code"), row.code);
  }
}

TEST(ApiError, ItsTextIsJsonWhateverItQuotes) {
  EXPECT_TRUE(ParseJson(WriteError(UnknownModel("a\"b\\\n\xff"))).has_value());
}

}  // namespace
}  // namespace infe::api
