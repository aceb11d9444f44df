#include "refusal/refusal.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/json.h"
#include "base/utf8.h"
#include "refusal/duration.h"

namespace infe::refusal {
namespace {

constexpr size_t kQuoteBytesMax = 64;

Refusal Make(int status, std::string message, std::optional<std::string_view> param = {},
             std::optional<std::string_view> code = {}) {
  Refusal error;
  error.status = status;
  error.message = std::move(message);
  if (param) error.param = std::string(*param);
  if (code) error.code = std::string(*code);
  return error;
}

Refusal Typed(int status, std::string_view type, std::string message,
              std::optional<std::string_view> code) {
  Refusal error = Make(status, std::move(message), {}, code);
  error.type = std::string(type);
  return error;
}

// Both spellings: SDKs prefer the milliseconds, everybody else reads whole seconds.
void AddRetryAfter(Refusal& error, int64_t retry_after_ms) {
  const int64_t ms = std::max<int64_t>(retry_after_ms, 1);
  error.headers.emplace_back("Retry-After", std::to_string((ms + 999) / 1000));
  error.headers.emplace_back("retry-after-ms", std::to_string(ms));
}

// "'a', 'b', and 'c'", as OpenAI writes its lists.
std::string Listed(std::span<const std::string_view> names) {
  std::string out;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += names.size() > 2 ? ", " : " ";
    if (i > 0 && i + 1 == names.size()) out += "and ";
    out += fmt::format("'{}'", names[i]);
  }
  return out;
}

}  // namespace

std::string Quoted(std::string_view text) {
  if (text.size() <= kQuoteBytesMax) return SanitizeUtf8(text);
  const std::string_view head = text.substr(0, kQuoteBytesMax);
  return SanitizeUtf8(head.substr(0, CompleteUtf8Prefix(head))) + "...";
}

std::string MaskKey(std::string_view key) {
  constexpr size_t kShown = 4;
  // Below this length the two ends would be a large part of the secret.
  constexpr size_t kShownFrom = 16;
  constexpr size_t kStarsMax = 24;
  if (key.size() < kShownFrom) return std::string(std::min(key.size(), kStarsMax), '*');
  for (const char c : key)
    if (c <= ' ' || c > '~') return std::string(kStarsMax, '*');
  return fmt::format("{}{}{}", key.substr(0, kShown),
                     std::string(std::min(key.size() - 2 * kShown, kStarsMax), '*'),
                     key.substr(key.size() - kShown));
}

Refusal MissingKey() {
  Refusal error = Make(401,
                       "You didn't provide an API key. You need to provide your API key in an "
                       "Authorization header using Bearer auth (i.e. Authorization: Bearer "
                       "YOUR_KEY).");
  error.headers.emplace_back("WWW-Authenticate", "Bearer");
  return error;
}

Refusal InvalidKey(std::string_view key) {
  Refusal error = Make(401, fmt::format("Incorrect API key provided: {}.", MaskKey(key)), {},
                       "invalid_api_key");
  error.headers.emplace_back("WWW-Authenticate", "Bearer");
  return error;
}

Refusal InsufficientPermissions(std::string_view scope) {
  return Make(403,
              fmt::format("You have insufficient permissions for this operation. Missing scopes: "
                          "{}.",
                          scope),
              {}, "insufficient_permissions");
}

Refusal TooManyKeyFailures(int64_t retry_after_ms) {
  Refusal error =
      Typed(429, "requests", "Too many requests with an incorrect API key. Please slow down.",
            "rate_limit_exceeded");
  AddRetryAfter(error, retry_after_ms);
  return error;
}

Refusal ForeignHost(std::string_view host) {
  return Make(403, fmt::format("This server does not answer to the host name '{}'. Use localhost, "
                               "or add the name to allowed_hosts in the configuration.",
                               Quoted(host)));
}

Refusal UnknownModel(std::string_view model) {
  return Make(
      404,
      fmt::format("The model '{}' does not exist or you do not have access to it.", Quoted(model)),
      {}, "model_not_found");
}

Refusal InvalidBody(std::string_view detail) {
  return Make(400,
              fmt::format("We could not parse the JSON body of your request: {}. The API expects a "
                          "JSON object, sent with 'Content-Type: application/json'.",
                          detail));
}

Refusal BodyNotObject() {
  return Make(400, "Invalid request body: the API expects a JSON object, but got another value.");
}

Refusal BodyTooLarge(size_t limit_bytes) {
  return Make(413,
              fmt::format("The request body is too large. The limit is {} bytes.", limit_bytes));
}

Refusal HeadersTooLarge(size_t limit_bytes) {
  return Make(
      431, fmt::format("The request headers are too large. The limit is {} bytes.", limit_bytes));
}

Refusal UnsupportedContentType(std::string_view content_type) {
  return Make(415, content_type.empty()
                       ? std::string("The Content-Type header is missing. Expected "
                                     "'application/json'.")
                       : fmt::format("Unsupported Content-Type '{}'. Expected 'application/json'.",
                                     Quoted(content_type)));
}

Refusal MissingParameter(std::string_view param) {
  return Make(400, fmt::format("Missing required parameter: '{}'.", param), param,
              "missing_required_parameter");
}

Refusal InvalidType(std::string_view param, std::string_view expected, std::string_view got) {
  return Make(
      400,
      fmt::format("Invalid type for '{}': expected {}, but got {} instead.", param, expected, got),
      param, "invalid_type");
}

Refusal InvalidValue(std::string_view param, std::string message) {
  return Make(400, std::move(message), param, "invalid_value");
}

Refusal InvalidEnum(std::string_view param, std::string_view value,
                    std::span<const std::string_view> supported) {
  return InvalidValue(param, fmt::format("Invalid value: '{}'. Supported values are: {}.",
                                         Quoted(value), Listed(supported)));
}

Refusal DecimalAboveMax(std::string_view param, double max, std::string_view got) {
  return Make(400,
              fmt::format("Invalid '{}': decimal above maximum value. Expected a value <= {}, but "
                          "got {} instead.",
                          param, max, Quoted(got)),
              param, "decimal_above_max_value");
}

Refusal DecimalBelowMin(std::string_view param, double min, std::string_view got) {
  return Make(400,
              fmt::format("Invalid '{}': decimal below minimum value. Expected a value >= {}, but "
                          "got {} instead.",
                          param, min, Quoted(got)),
              param, "decimal_below_min_value");
}

Refusal DecimalNotAbove(std::string_view param, double bound, std::string_view got) {
  return Make(400,
              fmt::format("Invalid '{}': decimal below minimum value. Expected a value > {}, but "
                          "got {} instead.",
                          param, bound, Quoted(got)),
              param, "decimal_below_min_value");
}

Refusal IntegerAboveMax(std::string_view param, int64_t max, std::string_view got) {
  return Make(400,
              fmt::format("Invalid '{}': integer above maximum value. Expected a value <= {}, but "
                          "got {} instead.",
                          param, max, Quoted(got)),
              param, "integer_above_max_value");
}

Refusal IntegerBelowMin(std::string_view param, int64_t min, std::string_view got) {
  return Make(400,
              fmt::format("Invalid '{}': integer below minimum value. Expected a value >= {}, but "
                          "got {} instead.",
                          param, min, Quoted(got)),
              param, "integer_below_min_value");
}

Refusal EmptyArray(std::string_view param) {
  return Make(400,
              fmt::format("Invalid '{}': empty array. Expected an array with minimum length 1, but "
                          "got an empty array instead.",
                          param),
              param, "empty_array");
}

Refusal ArrayTooLong(std::string_view param, size_t max, size_t got) {
  return Make(400,
              fmt::format("Invalid '{}': array too long. Expected an array with maximum length {}, "
                          "but got an array with length {} instead.",
                          param, max, got),
              param, "array_above_max_length");
}

Refusal EmptyString(std::string_view param) {
  return Make(
      400,
      fmt::format("Invalid '{}': empty string. Expected a string with minimum length 1, but "
                  "got an empty string instead.",
                  param),
      param, "empty_string");
}

Refusal StringTooLong(std::string_view param, size_t max, size_t got) {
  return Make(
      400,
      fmt::format("Invalid '{}': string too long. Expected a string with maximum length {}, "
                  "but got a string with length {} instead.",
                  param, max, got),
      param, "string_above_max_length");
}

Refusal ObjectTooLarge(std::string_view param, size_t max, size_t got) {
  return Make(400,
              fmt::format("Invalid '{}': too many properties. Expected an object with at most {} "
                          "properties, but got an object with {} properties instead.",
                          param, max, got),
              param, "object_above_max_properties");
}

Refusal UnknownParameter(std::string_view param) {
  return Make(400, fmt::format("Unknown parameter: '{}'.", param), param, "unknown_parameter");
}

Refusal UnsupportedParameter(std::string_view param, std::string_view reason) {
  std::string message = fmt::format("Unsupported parameter: '{}' is not supported.", param);
  if (!reason.empty()) message += fmt::format(" {}", reason);
  return Make(400, std::move(message), param, "unsupported_parameter");
}

Refusal UnsupportedValue(std::string_view param, std::string_view value,
                         std::string_view supported) {
  return Make(400,
              fmt::format("Unsupported value: '{}' does not support {}. Supported: {}.", param,
                          value, supported),
              param, "unsupported_value");
}

Refusal InvalidCombination(std::string_view param, std::string message) {
  return Make(400, std::move(message), param, "invalid_parameter_combination");
}

Refusal OnlyAllowedWhen(std::string_view param, std::string_view condition) {
  return Make(
      400,
      fmt::format("Invalid value for '{}': '{}' is only allowed when {}.", param, param, condition),
      param);
}

Refusal MissingJsonWord() {
  return Make(400,
              "'messages' must contain the word 'json' in some form, to use 'response_format' of "
              "type 'json_object'.",
              "messages");
}

Refusal InvalidResponseFormat(std::string message) {
  return Make(400, std::move(message), "response_format");
}

Refusal InvalidFunctionParameters(std::string_view path, std::string message) {
  return Make(400, std::move(message), path, "invalid_function_parameters");
}

Refusal InvalidToolChoice(std::string_view param, std::string message) {
  return Make(400, std::move(message), param);
}

Refusal ToolMessageWithoutCall(size_t message_index) {
  return Make(400,
              "Invalid parameter: messages with role 'tool' must be a response to a preceding "
              "message with 'tool_calls'.",
              fmt::format("messages.[{}].role", message_index));
}

Refusal UnansweredCalls(size_t message_index, std::span<const std::string> call_ids) {
  std::string ids;
  for (const std::string& id : call_ids.first(std::min<size_t>(call_ids.size(), 8)))
    ids += fmt::format("{}{}", ids.empty() ? "" : ", ", Quoted(id));
  return Make(
      400,
      fmt::format("An assistant message with 'tool_calls' must be followed by tool messages "
                  "responding to each 'tool_call_id'. The following tool_call_ids did not "
                  "have response messages: {}",
                  ids),
      fmt::format("messages.[{}].role", message_index));
}

// The length asked of the completion is never at fault: it is cut to what the context leaves.
Refusal ContextLengthExceeded(size_t context_tokens, size_t prompt_tokens) {
  return Make(400,
              fmt::format("This model's maximum context length is {} tokens. However, your "
                          "messages resulted in {} tokens, which leaves no room for a completion. "
                          "Please reduce the length of the messages.",
                          context_tokens, prompt_tokens),
              "messages", "context_length_exceeded");
}

Refusal TextTooLong(std::string_view param, size_t context_tokens, size_t text_tokens) {
  return Make(400,
              fmt::format("This model's maximum context length is {} tokens. However, '{}' has {} "
                          "tokens. Please shorten it.",
                          context_tokens, param, text_tokens),
              param, "context_length_exceeded");
}

Refusal ContextLengthSurelyExceeded(size_t context_tokens, size_t prompt_tokens_min) {
  return Make(
      400,
      fmt::format("This model's maximum context length is {} tokens. However, your messages "
                  "have at least {} tokens. Please reduce the length of the messages.",
                  context_tokens, prompt_tokens_min),
      "messages", "context_length_exceeded");
}

Refusal UnknownUrl(std::string_view method, std::string_view path) {
  return Make(404, fmt::format("Unknown request URL: {} {}. Please check the URL for typos.",
                               Quoted(method), Quoted(path)));
}

Refusal MethodNotAllowed(std::string_view method, std::string_view path, std::string_view allow) {
  Refusal error = Make(405,
                       fmt::format("Not allowed to {} on {}. (HINT: allowed methods are {}.)",
                                   Quoted(method), Quoted(path), allow),
                       {}, "method_not_supported");
  error.headers.emplace_back("Allow", std::string(allow));
  return error;
}

Refusal RateLimited(const RateLimitFacts& facts) {
  Refusal error =
      Typed(429, facts.kind == RateKind::kRequests ? "requests" : "tokens",
            fmt::format("Rate limit reached for {} on {}: Limit {}, Used {}, Requested {}. Please "
                        "try again in {}.",
                        Quoted(facts.model), facts.limit_name, facts.limit, facts.used,
                        facts.requested, FormatDuration(facts.retry_after_ms)),
            "rate_limit_exceeded");
  AddRetryAfter(error, facts.retry_after_ms);
  return error;
}

Refusal RequestTooLarge(const RateLimitFacts& facts) {
  Refusal error = Typed(
      429, facts.kind == RateKind::kRequests ? "requests" : "tokens",
      fmt::format("Request too large for {} on {}: Limit {}, Requested {}. The request must be "
                  "reduced in order to run.",
                  Quoted(facts.model), facts.limit_name, facts.limit, facts.requested),
      "rate_limit_exceeded");
  error.headers.emplace_back("x-should-retry", "false");
  return error;
}

Refusal QuotaSpent() {
  Refusal error = Typed(429, "insufficient_quota",
                        "You exceeded your current quota, please check your plan and limits.",
                        "insufficient_quota");
  error.headers.emplace_back("x-should-retry", "false");
  return error;
}

Refusal TooManyWaiting(int64_t retry_after_ms) {
  Refusal error = Typed(429, "requests",
                        fmt::format("Too many of your requests run or wait at once, "
                                    "or ask for grammars that take long to compile. Please try "
                                    "again in {}.",
                                    FormatDuration(retry_after_ms)),
                        "rate_limit_exceeded");
  AddRetryAfter(error, retry_after_ms);
  return error;
}

Refusal Overloaded(int64_t retry_after_ms) {
  Refusal error = Typed(503, "service_unavailable_error",
                        "The server is currently overloaded with other requests. Please retry "
                        "after a brief wait.",
                        "server_is_overloaded");
  AddRetryAfter(error, retry_after_ms);
  return error;
}

Refusal KeysMissing() {
  Refusal error = Typed(503, "service_unavailable_error",
                        "This server cannot check API keys now, so it takes no requests. Its "
                        "operator finds the reason in its log.",
                        "keys_unavailable");
  error.headers.emplace_back("x-should-retry", "false");
  return error;
}

Refusal DeadlinePassed() {
  Refusal error = Typed(504, "server_error",
                        "The request's deadline passed before it was finished.", "timeout");
  error.headers.emplace_back("x-should-retry", "true");
  return error;
}

Refusal ModelLoading(int64_t retry_after_ms) {
  Refusal error =
      Typed(503, "service_unavailable_error",
            "The model is still loading. Please retry after a brief wait.", "model_loading");
  AddRetryAfter(error, retry_after_ms);
  return error;
}

Refusal ShuttingDown(int64_t retry_after_ms) {
  Refusal error = Typed(503, "service_unavailable_error",
                        "The server is shutting down and takes no new requests.", "shutting_down");
  AddRetryAfter(error, retry_after_ms);
  return error;
}

Refusal RemoteError(int status, std::string message, int64_t retry_after_ms) {
  const std::string_view type = status == 429   ? "requests"
                                : status >= 500 ? "server_error"
                                                : "invalid_request_error";
  Refusal error = Typed(status, type, std::move(message), {});
  if (retry_after_ms >= 0) AddRetryAfter(error, retry_after_ms);
  return error;
}

Refusal InternalError() {
  return Typed(500, "server_error",
               "The server had an error while processing your request. Sorry about that!", {});
}

}  // namespace infe::refusal
