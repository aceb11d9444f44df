// Refusal: whatever is not done, as the client is told it. No dialect of its own: each writes it in
// its JSON, as do those who refuse before a dialect is known. One constructor per row of the error
// table in docs/api.md, so that status, type, param and code of a case stand in one place; the
// texts follow OpenAI's where it has published one.
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

namespace infe::refusal {

struct Refusal {
  int status = 400;
  std::string message;
  std::string type = "invalid_request_error";
  std::optional<std::string> param;  // a path such as messages[0].role
  std::optional<std::string> code;
  std::vector<std::pair<std::string, std::string>> headers;  // to send with it, e.g. Retry-After
  std::string request_id =
      {};  // of what it refuses: set by whoever sends it, for dialects that tell
};

// text for a message: cut to 64 bytes at a character's border, "..." marking the cut.
std::string Quoted(std::string_view text);
// sk-infe-abcdefgh1234 -> sk-i************1234; short ones are hidden whole.
std::string MaskKey(std::string_view key);

// Keys and scopes.
Refusal MissingKey();
Refusal InvalidKey(std::string_view key);
Refusal InsufficientPermissions(std::string_view scope);
// Too many wrong keys from one address.
Refusal TooManyKeyFailures(int64_t retry_after_ms);
Refusal ForeignHost(std::string_view host);    // a Host that is none of ours
Refusal UnknownModel(std::string_view model);  // also for a model that the key may not use

// The body as a whole.
Refusal InvalidBody(std::string_view detail);  // not JSON
Refusal BodyNotObject();
Refusal BodyTooLarge(size_t limit_bytes);
Refusal HeadersTooLarge(size_t limit_bytes);
Refusal UnsupportedContentType(std::string_view content_type);

// One field. `expected` and `got` carry their article: "an integer", "a string".
Refusal MissingParameter(std::string_view param);
Refusal InvalidType(std::string_view param, std::string_view expected, std::string_view got);
Refusal InvalidValue(std::string_view param, std::string message);
Refusal InvalidEnum(std::string_view param, std::string_view value,
                    std::span<const std::string_view> supported);
Refusal DecimalAboveMax(std::string_view param, double max, std::string_view got);
Refusal DecimalBelowMin(std::string_view param, double min, std::string_view got);
Refusal DecimalNotAbove(std::string_view param, double bound, std::string_view got);
Refusal IntegerAboveMax(std::string_view param, int64_t max, std::string_view got);
Refusal IntegerBelowMin(std::string_view param, int64_t min, std::string_view got);
Refusal EmptyArray(std::string_view param);
Refusal ArrayTooLong(std::string_view param, size_t max, size_t got);
Refusal EmptyString(std::string_view param);
Refusal StringTooLong(std::string_view param, size_t max, size_t got);
Refusal ObjectTooLarge(std::string_view param, size_t max, size_t got);
Refusal UnknownParameter(std::string_view param);  // strict_params only
Refusal UnsupportedParameter(std::string_view param, std::string_view reason = {});
Refusal UnsupportedValue(std::string_view param, std::string_view value,
                         std::string_view supported);

// Fields against each other.
Refusal InvalidCombination(std::string_view param, std::string message);
// param is only allowed when `condition`, e.g. "'tools' are specified".
Refusal OnlyAllowedWhen(std::string_view param, std::string_view condition);
Refusal MissingJsonWord();
Refusal InvalidResponseFormat(std::string message);
// path: tools[i].function.parameters (or functions[i].parameters).
Refusal InvalidFunctionParameters(std::string_view path, std::string message);
Refusal InvalidToolChoice(std::string_view param, std::string message);

// The conversation.
Refusal ToolMessageWithoutCall(size_t message_index);
Refusal UnansweredCalls(size_t message_index, std::span<const std::string> call_ids);
// A prompt that fills the context or more.
Refusal ContextLengthExceeded(size_t context_tokens, size_t prompt_tokens);
// Of a text that is only read.
Refusal TextTooLong(std::string_view param, size_t context_tokens, size_t text_tokens);
// Of a text so long that nobody counted its tokens.
Refusal ContextLengthSurelyExceeded(size_t context_tokens, size_t prompt_tokens_min);

// Routes.
Refusal UnknownUrl(std::string_view method, std::string_view path);
Refusal MethodNotAllowed(std::string_view method, std::string_view path, std::string_view allow);

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
Refusal RateLimited(const RateLimitFacts& facts);
// More than the whole limit: no waiting helps. facts.retry_after_ms does not count.
Refusal RequestTooLarge(const RateLimitFacts& facts);
Refusal QuotaSpent();
// Of one caller, in queues that the server keeps fair: 429.
Refusal TooManyWaiting(int64_t retry_after_ms);
Refusal Overloaded(int64_t retry_after_ms);
// The server's own keys are lost or cannot be checked: nobody is let in.
Refusal KeysMissing();
Refusal DeadlinePassed();
Refusal ModelLoading(int64_t retry_after_ms);
Refusal ShuttingDown(int64_t retry_after_ms);
// Of another server, which runs the model: as it said it. retry_after_ms < 0: it does not say.
Refusal RemoteError(int status, std::string message, int64_t retry_after_ms);
Refusal InternalError();

}  // namespace infe::refusal
