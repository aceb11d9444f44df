#include "api/anthropic/messages_request.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "api/anthropic/limits.h"
#include "api/fields.h"
#include "api/openai/output_format.h"
#include "api/request_body.h"

namespace infe::api::anthropic {
namespace {

enum class ThinkingType { kEnabled, kDisabled, kAdaptive, kBetweenTools };
constexpr std::array<EnumName<ThinkingType>, 4> kThinkingTypes{
    {{"enabled", ThinkingType::kEnabled},
     {"disabled", ThinkingType::kDisabled},
     {"adaptive", ThinkingType::kAdaptive},
     {"between_tools", ThinkingType::kBetweenTools}}};
constexpr std::array<EnumName<Thinking::Display>, 2> kDisplays{
    {{"summarized", Thinking::Display::kShown}, {"omitted", Thinking::Display::kOmitted}}};
enum class Tier { kAuto, kStandardOnly };
constexpr std::array<EnumName<Tier>, 2> kTiers{
    {{"auto", Tier::kAuto}, {"standard_only", Tier::kStandardOnly}}};
constexpr std::array<EnumName<answer::Effort>, 5> kEfforts{{{"low", answer::Effort::kLow},
                                                            {"medium", answer::Effort::kMedium},
                                                            {"high", answer::Effort::kHigh},
                                                            {"xhigh", answer::Effort::kXHigh},
                                                            {"max", answer::Effort::kMax}}};

Thinking ParseThinking(Fields& body) {
  Thinking thinking;
  const Json* value = body.TakeObject("thinking");
  if (value == nullptr) return thinking;
  Fields fields(*value, "thinking", body.context());
  if (fields.Require("type") == nullptr) return thinking;
  const auto type = fields.Enum("type", kThinkingTypes);
  if (!type) return thinking;
  if (*type == ThinkingType::kEnabled) {
    thinking.type = Thinking::Type::kEnabled;
    if (fields.Require("budget_tokens") != nullptr)
      thinking.budget_tokens = fields.Integer("budget_tokens", {.min = 1});
  } else if (*type == ThinkingType::kAdaptive) {
    thinking.type = Thinking::Type::kAdaptive;
  }
  thinking.display = fields.Enum("display", kDisplays).value_or(Thinking::Display::kShown);
  fields.Finish();
  return thinking;
}

// {"type":"json_schema","schema":{..}}
void ParseFormat(const Json& value, const std::string& path, MessagesRequest& request,
                 ParseContext& context) {
  Fields fields(value, path, context);
  const std::string type = fields.RequireString("type");
  constexpr std::array<std::string_view, 1> kFormats{"json_schema"};
  if (!context.failed() && type != kFormats[0])
    context.Fail(InvalidEnum(fields.Path("type"), type, kFormats));
  const Json* schema = fields.RequireObject("schema");
  fields.Take("name");
  fields.Finish();
  if (context.failed()) return;
  request.schema_path = fields.Path("schema");
  if (const auto problem = SchemaProblem(*schema, context.options()))
    return context.Fail(InvalidValue(
        request.schema_path, fmt::format("Invalid '{}': {}", request.schema_path, *problem)));
  request.schema = *schema;
}

void ParseOutput(Fields& body, MessagesRequest& request) {
  ParseContext& context = body.context();
  // The older place of the same thing.
  const Json* older = body.TakeObject("output_format");
  if (older != nullptr) ParseFormat(*older, "output_format", request, context);
  const Json* config = body.TakeObject("output_config");
  if (config == nullptr) return;
  Fields fields(*config, "output_config", context);
  request.effort = fields.Enum("effort", kEfforts);
  if (const Json* format = fields.TakeObject("format")) {
    if (older != nullptr)
      context.Fail(
          InvalidCombination("output_format",
                             "'output_format' is the older form of 'output_config.format': they "
                             "cannot be used together."));
    ParseFormat(*format, fields.Path("format"), request, context);
  }
  fields.Hint("task_budget");
  fields.Finish();
}

void ParseSampling(Fields& body, MessagesRequest& request) {
  PartialSampling& sampling = request.sampling;
  sampling.temperature = body.Decimal("temperature", {.min = 0, .max = 2});
  sampling.top_p = body.Decimal("top_p", {.min = 0, .max = 1});
  // -1 is how some programs say that it is off.
  if (const auto top_k = body.Integer("top_k", {.min = -1}))
    sampling.top_k = std::max<int64_t>(*top_k, 0);
  sampling.min_p = body.Decimal("min_p", {.min = 0, .max = 1});
  if (const auto seed = body.Integer("seed", {.min = 0}))
    request.seed = static_cast<uint64_t>(*seed);
}

void ParseStops(Fields& body, MessagesRequest& request) {
  const Json* stops = body.TakeArray("stop_sequences");
  if (stops == nullptr) return;
  ParseContext& context = body.context();
  if (stops->array().size() > kStopSequencesMax)
    return context.Fail(ArrayTooLong("stop_sequences", kStopSequencesMax, stops->array().size()));
  for (size_t i = 0; i < stops->array().size(); ++i) {
    const std::string path = Indexed("stop_sequences", i);
    auto text = ReadString(stops->array()[i], path, context);
    if (!text) return;
    if (text->empty()) return context.Fail(EmptyString(path));
    request.stop_sequences.push_back(*std::move(text));
  }
}

void ParseMetadata(Fields& body, MessagesRequest& request) {
  const Json* metadata = body.TakeObject("metadata");
  if (metadata == nullptr) return;
  Fields fields(*metadata, "metadata", body.context());
  request.user_id = fields.String("user_id", kIdentityMax).value_or("");
  fields.Finish();
}

// Fields whose meaning lies in Anthropic's own service.
void TakeServiceFields(Fields& body) {
  body.Enum("service_tier", kTiers);  // there is one tier
  body.Take("speed");
  for (const char* name :
       {"container", "context_management", "diagnostics", "inference_geo", "mcp_servers",
        "user_profile_id", "fallbacks", "billing_policy", "compaction", "fallback_credit_token"})
    body.Hint(name);
  body.Refuse("thread", "Nothing of a conversation is kept here: send its messages.");
}

// Whether anything is marked to be kept: Messages counts what was.
bool MarksCache(const Json& body) {
  std::vector<const Json*> left{&body};
  while (!left.empty()) {
    const Json& value = *left.back();
    left.pop_back();
    if (value.is_object()) {
      for (const auto& [name, member] : value.object()) {
        if (name == "cache_control" && member.is_object()) return true;
        // Whatever stands in there is the client's own data.
        if (name != "input" && name != "input_schema" && name != "output_config")
          left.push_back(&member);
      }
    } else if (value.is_array()) {
      for (const Json& item : value.array()) left.push_back(&item);
    }
  }
  return false;
}

}  // namespace

Parsed<MessagesRequest> ParseMessagesRequest(std::string_view text, const ParseOptions& options,
                                             Endpoint endpoint) {
  Parsed<Json> json = ParseBody(text, options);
  if (!json) return std::move(json).error();
  ParseContext context(options);
  Fields body(*json, "", context);
  MessagesRequest request;
  request.model = body.RequireString("model");
  request.system = ParseSystem(body);
  request.messages = ParseMessages(body);
  if (endpoint == Endpoint::kMessages) {
    if (body.Require("max_tokens") != nullptr)
      request.max_tokens = body.Integer("max_tokens", {.min = 1}).value_or(0);
  } else {
    body.Take("max_tokens");
  }
  request.stream = body.Bool("stream").value_or(false);
  ParseSampling(body, request);
  ParseStops(body, request);
  request.tool_use = ParseToolUse(body);
  request.thinking = ParseThinking(body);
  ParseOutput(body, request);
  ParseMetadata(body, request);
  body.Take("cache_control");
  TakeServiceFields(body);
  body.Finish();
  if (context.failed()) return context.TakeError();
  request.cache_control = MarksCache(*json);
  request.ignored = context.TakeIgnored();
  return request;
}

void IgnoreUnknownBetas(std::string_view header, IgnoredParams& ignored) {
  // By the beginning of their names, which dates end: what they bring is there without being asked
  // for, or changes nothing here.
  constexpr std::array<std::string_view, 9> kKnown{
      "claude-code-",    "prompt-caching-", "structured-outputs-", "interleaved-thinking-",
      "token-counting-", "max-tokens-",     "output-128k-",        "fine-grained-tool-streaming-",
      "effort-"};
  while (!header.empty()) {
    const size_t comma = std::min(header.find(','), header.size());
    std::string_view name = header.substr(0, comma);
    header.remove_prefix(std::min(comma + 1, header.size()));
    while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
    while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
    const bool known = std::any_of(kKnown.begin(), kKnown.end(),
                                   [&](std::string_view begin) { return name.starts_with(begin); });
    if (!name.empty() && !known) ignored.Add(fmt::format("anthropic-beta.{}", name));
  }
}

}  // namespace infe::api::anthropic
