// ApiError: every refusal as the client sees it. One constructor per row of the error table in
// docs/api.md, so that status, type, param and code of a case stand in one place; the texts follow
// OpenAI's where it has published one.
//
// Messages may quote the request, cut to 64 bytes; they never hold a whole key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace infe::api {

struct ApiError {
  int status = 400;
  std::string message;
  std::string type = "invalid_request_error";
  std::optional<std::string> param;  // a path such as messages[0].role
  std::optional<std::string> code;
  std::vector<std::pair<std::string, std::string>> headers;  // to send with it, e.g. Retry-After
  std::string request_id =
      {};  // of what it refuses: set by whoever sends it, for dialects that tell
};

// {"error":{"message":..,"type":..,"param":..,"code":..}}: always all four keys. The same text is
// the payload of the error event that ends a broken stream.
std::string WriteError(const ApiError& error);

// text for a message: cut to 64 bytes at a character's border, "..." marking the cut.
std::string Quoted(std::string_view text);
// sk-infe-abcdefgh1234 -> sk-i************1234; short ones are hidden whole.
std::string MaskKey(std::string_view key);

// Keys and scopes.
ApiError MissingKey();
ApiError InvalidKey(std::string_view key);
ApiError InsufficientPermissions(std::string_view scope);
// Too many wrong keys from one address.
ApiError TooManyKeyFailures(int64_t retry_after_ms);
ApiError ForeignHost(std::string_view host);    // a Host that is none of ours
ApiError UnknownModel(std::string_view model);  // also for a model that the key may not use

// The body as a whole.
ApiError InvalidBody(std::string_view detail);  // not JSON
ApiError BodyNotObject();
ApiError BodyTooLarge(size_t limit_bytes);
ApiError HeadersTooLarge(size_t limit_bytes);
ApiError UnsupportedContentType(std::string_view content_type);

// One field. `expected` and `got` carry their article: "an integer", "a string".
ApiError MissingParameter(std::string_view param);
ApiError InvalidType(std::string_view param, std::string_view expected, std::string_view got);
ApiError InvalidValue(std::string_view param, std::string message);
ApiError InvalidEnum(std::string_view param, std::string_view value,
                     std::span<const std::string_view> supported);
ApiError DecimalAboveMax(std::string_view param, double max, std::string_view got);
ApiError DecimalBelowMin(std::string_view param, double min, std::string_view got);
ApiError DecimalNotAbove(std::string_view param, double bound, std::string_view got);
ApiError IntegerAboveMax(std::string_view param, int64_t max, std::string_view got);
ApiError IntegerBelowMin(std::string_view param, int64_t min, std::string_view got);
ApiError EmptyArray(std::string_view param);
ApiError ArrayTooLong(std::string_view param, size_t max, size_t got);
ApiError EmptyString(std::string_view param);
ApiError StringTooLong(std::string_view param, size_t max, size_t got);
ApiError ObjectTooLarge(std::string_view param, size_t max, size_t got);
ApiError UnknownParameter(std::string_view param);  // strict_params only
ApiError UnsupportedParameter(std::string_view param, std::string_view reason = {});
ApiError UnsupportedValue(std::string_view param, std::string_view value,
                          std::string_view supported);

// Fields against each other.
ApiError InvalidCombination(std::string_view param, std::string message);
// param is only allowed when `condition`, e.g. "'tools' are specified".
ApiError OnlyAllowedWhen(std::string_view param, std::string_view condition);
ApiError MissingJsonWord();
ApiError InvalidResponseFormat(std::string message);
// path: tools[i].function.parameters (or functions[i].parameters).
ApiError InvalidFunctionParameters(std::string_view path, std::string message);
ApiError InvalidToolChoice(std::string_view param, std::string message);

// The conversation.
ApiError ToolMessageWithoutCall(size_t message_index);
ApiError UnansweredCalls(size_t message_index, std::span<const std::string> call_ids);
// A prompt that fills the context or more.
ApiError ContextLengthExceeded(size_t context_tokens, size_t prompt_tokens);
// Of a text that is only read.
ApiError TextTooLong(std::string_view param, size_t context_tokens, size_t text_tokens);
// Of a text so long that nobody counted its tokens.
ApiError ContextLengthSurelyExceeded(size_t context_tokens, size_t prompt_tokens_min);

// Routes.
ApiError UnknownUrl(std::string_view method, std::string_view path);
ApiError MethodNotAllowed(std::string_view method, std::string_view path, std::string_view allow);

// Load. Waiting times are milliseconds; headers Retry-After (whole seconds, at least 1) and
// retry-after-ms are set from them.
enum class RateKind { kRequests, kTokens };
struct RateLimitFacts {
  RateKind kind = RateKind::kRequests;
  std::string_view model = {};
  std::string_view limit_name = {};  // "requests per min (RPM)" and the like
  int64_t limit = 0;
  int64_t used = 0;
  int64_t requested = 0;
  int64_t retry_after_ms = 1000;
};
ApiError RateLimited(const RateLimitFacts& facts);
// More than the whole limit: no waiting helps. facts.retry_after_ms does not count.
ApiError RequestTooLarge(const RateLimitFacts& facts);
ApiError QuotaSpent();
// Of one caller, in queues that the server keeps fair: 429.
ApiError TooManyWaiting(int64_t retry_after_ms);
ApiError Overloaded(int64_t retry_after_ms);
// The server's own keys are lost or cannot be checked: nobody is let in.
ApiError KeysMissing();
ApiError DeadlinePassed();
ApiError ModelLoading(int64_t retry_after_ms);
ApiError ShuttingDown(int64_t retry_after_ms);
// Of another server, which runs the model: as it said it. retry_after_ms < 0: it does not say.
ApiError RemoteError(int status, std::string message, int64_t retry_after_ms);
ApiError InternalError();

}  // namespace infe::api
