#include "api/openai/responses/request.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "api/fields.h"
#include "api/openai/peer_fields.h"
#include "api/request_body.h"

namespace infe::api::responses {
namespace {

using Format = OutputFormat::Kind;

constexpr std::array<EnumName<ServiceTier>, 7> kTiers{{{"auto", ServiceTier::kDefault},
                                                       {"default", ServiceTier::kDefault},
                                                       {"flex", ServiceTier::kFlex},
                                                       {"scale", ServiceTier::kDefault},
                                                       {"priority", ServiceTier::kPriority},
                                                       {"fast", ServiceTier::kPriority},
                                                       {"ultrafast", ServiceTier::kPriority}}};
constexpr std::array<EnumName<bool>, 2> kTruncations{{{"disabled", false}, {"auto", true}}};
constexpr std::array<EnumName<Format>, 3> kFormats{{{"text", Format::kText},
                                                    {"json_object", Format::kJsonObject},
                                                    {"json_schema", Format::kJsonSchema}}};
// Names that stand for themselves.
template <size_t N>
constexpr std::array<EnumName<std::string_view>, N> Words(
    const std::array<std::string_view, N>& words) {
  std::array<EnumName<std::string_view>, N> names;
  for (size_t i = 0; i < N; ++i) names[i] = {words[i], words[i]};
  return names;
}
constexpr std::array<EnumName<answer::Effort>, 7> kEfforts{{{"none", answer::Effort::kNone},
                                                            {"minimal", answer::Effort::kMinimal},
                                                            {"low", answer::Effort::kLow},
                                                            {"medium", answer::Effort::kMedium},
                                                            {"high", answer::Effort::kHigh},
                                                            {"xhigh", answer::Effort::kXHigh},
                                                            {"max", answer::Effort::kMax}}};
constexpr auto kSummaries = Words<3>({"auto", "concise", "detailed"});
constexpr auto kVerbosities = Words<3>({"low", "medium", "high"});
constexpr auto kContexts = Words<3>({"auto", "current_turn", "all_turns"});
constexpr auto kIncludes =
    Words<8>({"file_search_call.results", "web_search_call.results",
              "web_search_call.action.sources", "message.input_image.image_url",
              "computer_call_output.output.image_url", "code_interpreter_call.outputs",
              "reasoning.encrypted_content", "message.output_text.logprobs"});

// Fields of chat completions, with their place here: whoever sends them would be surprised.
struct Moved {
  std::string_view name, hint;
};
constexpr std::array<Moved, 13> kMoved{{
    {"messages", "In the Responses API it is 'input'."},
    {"response_format", "In the Responses API it is 'text.format'."},
    {"max_tokens", "In the Responses API it is 'max_output_tokens'."},
    {"max_completion_tokens", "In the Responses API it is 'max_output_tokens'."},
    {"reasoning_effort", "In the Responses API it is 'reasoning.effort'."},
    {"verbosity", "In the Responses API it is 'text.verbosity'."},
    {"functions", "In the Responses API it is 'tools'."},
    {"function_call", "In the Responses API it is 'tool_choice'."},
    {"logprobs", "In the Responses API it is 'include: [\"message.output_text.logprobs\"]'."},
    {"n", "A response is one answer."},
    {"structured_outputs", "In the Responses API it is 'text.format'."},
    {"grammar", "In the Responses API it is 'text.format', or a custom tool's grammar."},
    {"json_schema", "In the Responses API it is 'text.format'."},
}};

void ParseJsonSchema(Fields& fields, OutputFormat& format) {
  ParseContext& context = fields.context();
  format.name = fields.RequireString("name");
  format.description = fields.String("description").value_or("");
  format.strict = fields.Bool("strict").value_or(false);
  format.param = fields.Path("schema");
  const Json* schema = fields.RequireObject("schema");
  if (context.failed()) return;
  if (!IsValidName(format.name))
    return context.Fail(InvalidValue(fields.Path("name"),
                                     fmt::format("Invalid '{}': '{}' does not match the pattern "
                                                 "'^[a-zA-Z0-9_-]{{1,64}}$'.",
                                                 fields.Path("name"), Quoted(format.name))));
  if (const auto problem = SchemaProblem(*schema, context.options()))
    return context.Fail(InvalidValue(
        format.param,
        fmt::format("Invalid schema for response_format '{}': {}", format.name, *problem)));
  format.schema = *schema;
}

void ParseText(Fields& body, Request& request) {
  const Json* text = body.TakeObject("text");
  if (text == nullptr) return;
  Fields fields(*text, "text", body.context());
  request.verbosity = fields.Enum("verbosity", kVerbosities).value_or("medium");
  // No model here takes it, so it changes nothing, and says so.
  if (request.verbosity != "medium") body.context().Ignore(fields.Path("verbosity"));
  if (const Json* format = fields.TakeObject("format")) {
    Fields inner(*format, fields.Path("format"), body.context());
    if (inner.Require("type") == nullptr) return;
    request.format.kind = inner.Enum("type", kFormats).value_or(Format::kText);
    request.format.param = inner.Path("type");
    if (request.format.kind == Format::kJsonSchema) ParseJsonSchema(inner, request.format);
    inner.Finish();
  }
  fields.Finish();
}

void ParseReasoning(Fields& body, Request& request) {
  const Json* reasoning = body.TakeObject("reasoning");
  if (reasoning == nullptr) return;
  Fields fields(*reasoning, "reasoning", body.context());
  const auto text = [](std::optional<std::string_view> word) {
    return word ? std::optional<std::string>(*word) : std::nullopt;
  };
  request.reasoning.effort = fields.Enum("effort", kEfforts);
  const auto older = text(fields.Enum("generate_summary", kSummaries));
  request.reasoning.summary = text(fields.Enum("summary", kSummaries));
  if (!request.reasoning.summary) request.reasoning.summary = older;
  if (fields.Enum("context", kContexts).value_or("auto") != "auto")
    body.context().Ignore(fields.Path("context"));
  fields.Hint("mode");
  fields.Finish();
}

void ParseInclude(Fields& body, Request& request) {
  const Json* include = body.TakeArray("include");
  if (include == nullptr) return;
  ParseContext& context = body.context();
  std::array<std::string_view, kIncludes.size()> supported;
  for (size_t i = 0; i < kIncludes.size(); ++i) supported[i] = kIncludes[i].name;
  for (size_t i = 0; i < include->array().size() && !context.failed(); ++i) {
    const std::string path = Indexed("include", i);
    const auto name = ReadString(include->array()[i], path, context);
    if (!name) return;
    if (std::find(supported.begin(), supported.end(), *name) == supported.end())
      return context.Fail(InvalidEnum(path, *name, supported));
    // The others are of tools that infe does not run: there is nothing to include.
    if (*name == "message.output_text.logprobs") request.logprobs = true;
    if (*name == "reasoning.encrypted_content") request.reasoning.sealed = true;
  }
}

// "conversation" is an id, or an object with one.
void ParseState(Fields& body, Request& request) {
  ParseContext& context = body.context();
  request.store = body.Bool("store").value_or(true);
  request.background = body.Bool("background").value_or(false);
  request.previous_response_id = body.String("previous_response_id").value_or("");
  if (const Json* conversation = body.Take("conversation")) {
    if (conversation->is_object()) {
      Fields fields(*conversation, "conversation", context);
      request.conversation = fields.RequireString("id");
      fields.Finish();
    } else {
      request.conversation = ReadString(*conversation, "conversation", context).value_or("");
    }
  }
  if (!request.conversation.empty() && !request.previous_response_id.empty())
    context.Fail(InvalidCombination(
        "conversation", "'previous_response_id' and 'conversation' cannot be used together."));
  if (request.background && !request.store)
    context.Fail(InvalidCombination("background", "'background' needs 'store' to be true."));
}

void RefuseUnimplemented(Fields& body) {
  for (const Moved& moved : kMoved) body.Refuse(moved.name, moved.hint);
  RefusePeerFields(body);
  body.Refuse("prompt", "infe keeps no prompt templates.");
  body.Refuse("moderation");
  body.Hint("context_management");
  body.Hint("prompt_cache_retention");
  body.Hint("prompt_cache_options");
}

// The array inside the body, to be moved out; the body's fields have been checked by then.
Json* FindMutable(Json& body, std::string_view name) {
  for (auto& [key, value] : body.object())
    if (key == name) return &value;
  return nullptr;
}

}  // namespace

std::string_view Name(answer::Effort effort) {
  for (const auto& [name, value] : kEfforts)
    if (value == effort) return name;
  return "medium";
}

Parsed<Request> ParseRequest(std::string_view text, const ParseOptions& options) {
  Parsed<Json> json = ParseBody(text, options);
  if (!json) return std::move(json).error();
  ParseContext context(options);
  Fields body(*json, "", context);
  Request request;
  request.model = body.RequireString("model");
  ParseState(body, request);
  request.instructions = body.String("instructions").value_or("");
  const bool has_input = body.Take("input") != nullptr;
  request.streaming = ParseStreaming(body);
  request.sampling = ParseSampling(body);
  request.max_output_tokens = body.Integer("max_output_tokens", {.min = 1});
  request.max_tool_calls = body.Integer("max_tool_calls", {.min = 0});
  request.top_logprobs = body.Integer("top_logprobs", {.min = 0, .max = kTopLogprobsMax});
  ParseInclude(body, request);
  if (request.top_logprobs.value_or(0) > 0) request.logprobs = true;
  ParseText(body, request);
  request.tool_use = ParseToolUse(body);
  request.service_tier = body.Enum("service_tier", kTiers);
  request.metadata = ParseMetadata(body);
  request.prompt_cache_key = body.String("prompt_cache_key", kIdentityMax).value_or("");
  request.user = body.String("user", kIdentityMax).value_or("");
  request.safety_identifier = body.String("safety_identifier", kSafetyIdentifierMax).value_or("");
  ParseReasoning(body, request);
  request.truncates = body.Enum("truncation", kTruncations).value_or(false);
  RefuseUnimplemented(body);
  body.Finish();
  // What is said before may be all there is to go on with.
  const bool goes_on = !request.previous_response_id.empty() || !request.conversation.empty();
  if (has_input) {
    if (!context.failed())
      request.input = ParseInput(*FindMutable(*json, "input"), "input", context);
  } else if (!goes_on && request.instructions.empty()) {
    context.Fail(MissingParameter("input"));
  }
  if (context.failed()) return context.TakeError();
  request.ignored = context.TakeIgnored();
  return request;
}

}  // namespace infe::api::responses
