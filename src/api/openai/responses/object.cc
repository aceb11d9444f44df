#include "api/openai/responses/object.h"

#include <array>

#include <fmt/format.h>

#include "api/ids.h"
#include "api/json_text.h"
#include "api/openai/answer_parts.h"
#include "api/openai/response_parts.h"

namespace infe::api::responses {
namespace {

constexpr std::string_view kResponsePrefix = "resp_";
constexpr size_t kSuffixLength = 24;  // of ids.cc
constexpr size_t kNumberLength = 3;

void AppendBool(std::string& out, bool value) {
  out += value ? "true" : "false";
}
void AppendOptional(ObjectText& object, std::string_view key, const std::string& value) {
  if (value.empty()) {
    object.Null(key);
  } else {
    object.String(key, value);
  }
}
void AppendOptional(ObjectText& object, std::string_view key, const std::optional<int64_t>& value) {
  if (value) {
    object.Integer(key, *value);
  } else {
    object.Null(key);
  }
}

void AppendFormat(std::string& out, const OutputFormat& format) {
  ObjectText object(out);
  switch (format.kind) {
    case OutputFormat::Kind::kJsonObject:
      object.String("type", "json_object");
      break;
    case OutputFormat::Kind::kJsonSchema:
      object.String("type", "json_schema");
      object.String("name", format.name);
      if (!format.description.empty()) object.String("description", format.description);
      format.schema.DumpTo(object.Key("schema"));
      AppendBool(object.Key("strict"), format.strict);
      break;
    case OutputFormat::Kind::kText:
    case OutputFormat::Kind::kRegex:
    case OutputFormat::Kind::kChoice:
    case OutputFormat::Kind::kGrammar:
      object.String("type", "text");
      break;
  }
  object.Close();
}

void AppendMetadata(std::string& out, const std::optional<Metadata>& metadata) {
  char separator = '{';
  if (metadata)
    for (const auto& [key, value] : *metadata) {
      out += separator;
      separator = ',';
      AppendJsonString(out, key);
      out += ':';
      AppendJsonString(out, value);
    }
  if (separator == '{') out += '{';
  out += '}';
}

void AppendUsage(std::string& out, const answer::Totals& totals) {
  ObjectText object(out);
  object.Integer("input_tokens", totals.prompt_tokens);
  ObjectText input(object.Key("input_tokens_details"));
  input.Integer("cached_tokens", totals.cached_tokens);
  input.Integer("cache_write_tokens", 0);
  input.Close();
  object.Integer("output_tokens", totals.completion_tokens);
  ObjectText output(object.Key("output_tokens_details"));
  output.Integer("reasoning_tokens", totals.reasoning_tokens);
  output.Close();
  object.Integer("total_tokens", int64_t{totals.prompt_tokens} + totals.completion_tokens);
  object.Close();
}

void AppendTexts(std::string& out, const std::vector<std::string>& texts) {
  out += '[';
  for (size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) out += ',';
    AppendJsonString(out, texts[i]);
  }
  out += ']';
}

// Ours, beside what the API has.
void AppendOwn(ObjectText& object, const Frame& frame, const State& state) {
  if (!frame.fingerprint.empty()) object.String("system_fingerprint", frame.fingerprint);
  if (frame.seed) object.Integer("seed", *frame.seed);
  if (state.totals) AppendTimings(object.Key("timings"), ToTimings(*state.totals));
  if (frame.truncated_messages > 0) object.Integer("truncated_messages", frame.truncated_messages);
  if (!frame.unenforced.empty()) AppendTexts(object.Key("x_unenforced"), frame.unenforced);
  if (!frame.left_out.empty()) AppendTexts(object.Key("x_left_out"), frame.left_out);
}

}  // namespace

std::string_view Name(Status status) {
  switch (status) {
    case Status::kQueued:
      return "queued";
    case Status::kInProgress:
      return "in_progress";
    case Status::kCompleted:
      return "completed";
    case Status::kIncomplete:
      return "incomplete";
    case Status::kFailed:
      return "failed";
    case Status::kCancelled:
      return "cancelled";
  }
  return "failed";
}

std::string NewResponseId() {
  return NewId(kResponsePrefix);
}

std::string ItemId(std::string_view prefix, std::string_view response_id, uint32_t number) {
  const std::string_view suffix = response_id.substr(response_id.find('_') + 1);
  return fmt::format("{}_{}{:0{}}", prefix, suffix, number, kNumberLength);
}

std::string InputItemId(std::string_view response_id, size_t number) {
  const std::string_view suffix = response_id.substr(response_id.find('_') + 1);
  return fmt::format("item_{}i{:0{}}", suffix, number, kNumberLength);
}

std::string ResponseIdOf(std::string_view item_id) {
  const size_t mark = item_id.find('_');
  if (mark == std::string_view::npos) return {};
  const std::string_view rest = item_id.substr(mark + 1);
  if (rest.size() < kSuffixLength + kNumberLength) return {};
  return fmt::format("{}{}", kResponsePrefix, rest.substr(0, kSuffixLength));
}

std::string EchoMembers(const Request& request, const Echo& defaults) {
  std::string out;
  ObjectText object(out);
  object.String("model", request.model);
  AppendBool(object.Key("background"), request.background);
  AppendOptional(object, "instructions", request.instructions);
  AppendOptional(object, "max_output_tokens", request.max_output_tokens);
  AppendOptional(object, "max_tool_calls", request.max_tool_calls);
  AppendBool(object.Key("parallel_tool_calls"), request.tool_use.parallel_calls);
  AppendOptional(object, "previous_response_id", request.previous_response_id);
  if (!request.conversation.empty()) {
    ObjectText conversation(object.Key("conversation"));
    conversation.String("id", request.conversation);
    conversation.Close();
  }
  AppendOptional(object, "prompt_cache_key", request.prompt_cache_key);
  ObjectText reasoning(object.Key("reasoning"));
  const auto& effort = request.reasoning.effort;
  AppendOptional(reasoning, "effort", effort ? std::string(Name(*effort)) : std::string());
  AppendOptional(reasoning, "summary", request.reasoning.summary.value_or(""));
  reasoning.Close();
  AppendOptional(object, "safety_identifier", request.safety_identifier);
  object.String("service_tier", Name(request.service_tier.value_or(ServiceTier::kDefault)));
  AppendBool(object.Key("store"), request.store);
  AppendJsonNumber(object.Key("temperature"),
                   request.sampling.temperature.value_or(defaults.temperature));
  ObjectText text(object.Key("text"));
  AppendFormat(text.Key("format"), request.format);
  text.String("verbosity", request.verbosity);
  text.Close();
  request.tool_use.choice_shown.DumpTo(object.Key("tool_choice"));
  request.tool_use.tools_shown.DumpTo(object.Key("tools"));
  object.Integer("top_logprobs", request.top_logprobs.value_or(0));
  AppendJsonNumber(object.Key("top_p"), request.sampling.top_p.value_or(defaults.top_p));
  object.String("truncation", request.truncates ? "auto" : "disabled");
  if (!request.user.empty()) object.String("user", request.user);
  AppendMetadata(object.Key("metadata"), request.metadata);
  out[0] = ',';
  return out;
}

void AppendResponseError(std::string& out, const ApiError& error) {
  std::string_view code = "server_error";
  if (error.status == 429) code = "rate_limit_exceeded";
  if (error.status == 400) code = "invalid_prompt";
  ObjectText object(out);
  object.String("code", code);
  object.String("message", error.message);
  object.Close();
}

std::string WriteInputTokens(int64_t input_tokens) {
  std::string out;
  ObjectText object(out);
  object.String("object", "response.input_tokens");
  object.Integer("input_tokens", input_tokens);
  object.Close();
  return out;
}

std::string WriteResponse(const Frame& frame, const State& state) {
  std::string out;
  ObjectText object(out);
  object.String("id", frame.id);
  object.String("object", "response");
  object.Integer("created_at", frame.created_at);
  object.String("status", Name(state.status));
  AppendOptional(object, "completed_at", state.completed_at);
  if (state.error) {
    AppendResponseError(object.Key("error"), *state.error);
  } else {
    object.Null("error");
  }
  if (state.status == Status::kIncomplete) {
    object.Key("incomplete_details") += R"({"reason":"max_output_tokens"})";
  } else {
    object.Null("incomplete_details");
  }
  object.Key("output") += state.output;
  out += frame.members;
  if (state.totals) AppendUsage(object.Key("usage"), *state.totals);
  AppendOwn(object, frame, state);
  object.Close();
  return out;
}

}  // namespace infe::api::responses
