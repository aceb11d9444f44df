#include "api/openai/chat_completion_request.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "api/fields.h"
#include "api/openai/peer_fields.h"
#include "api/request_body.h"

namespace infe::api {
namespace {

enum class Verbosity { kLow, kMedium, kHigh };
constexpr std::array<EnumName<Verbosity>, 3> kVerbosities{
    {{"low", Verbosity::kLow}, {"medium", Verbosity::kMedium}, {"high", Verbosity::kHigh}}};
constexpr std::array<EnumName<Truncation>, 2> kTruncations{
    {{"disabled", Truncation::kDisabled}, {"auto", Truncation::kAuto}}};

constexpr std::array<std::string_view, 5> kTokensMaxNames{
    "max_tokens", "max_completion_tokens", "max_new_tokens", "max_output_tokens", "n_predict"};

// What the prompt ends with: the model's turn, or one that is gone on with.
Turn ParseTurn(Fields& body, const std::vector<Message>& messages) {
  ParseContext& context = body.context();
  const std::optional<bool> prompts = body.Bool("add_generation_prompt");
  const std::optional<bool> continues = body.Bool("continue_final_message");
  const bool marked = !messages.empty() && messages.back().is_prefix;
  if (continues.value_or(marked)) {
    if (prompts.value_or(false))
      context.Fail(InvalidCombination("continue_final_message",
                                      "'continue_final_message' and 'add_generation_prompt' "
                                      "exclude each other."));
    if (!messages.empty() && messages.back().role != Role::kAssistant)
      context.Fail(
          OnlyAllowedWhen("continue_final_message", "the last message is the assistant's"));
    return Turn::kContinued;
  }
  return prompts.value_or(true) ? Turn::kNext : Turn::kNone;
}

void ParseLogprobs(Fields& body, ChatCompletionRequest& request) {
  request.logprobs = body.Bool("logprobs").value_or(false);
  const auto top = body.Integer("top_logprobs", {.min = 0, .max = kTopLogprobsMax});
  if (top && !request.logprobs)
    body.context().Fail(OnlyAllowedWhen("top_logprobs", "'logprobs' is true"));
  request.top_logprobs = static_cast<int>(top.value_or(0));
}

std::optional<std::string> ParsePrediction(Fields& body) {
  const Json* prediction = body.TakeObject("prediction");
  if (prediction == nullptr) return std::nullopt;
  ParseContext& context = body.context();
  Fields fields(*prediction, "prediction", context);
  const std::string type = fields.RequireString("type");
  constexpr std::array<std::string_view, 1> kTypes{"content"};
  if (type != kTypes[0]) context.Fail(InvalidEnum(fields.Path("type"), type, kTypes));
  Message message;
  if (const Json* content = fields.Require("content"))
    message.content = ParseContent(*content, fields.Path("content"), ContentOwner::kOther, context);
  fields.Finish();
  return message.Text();
}

// null and ["text"] say what infe does anyway.
void CheckModalities(Fields& body) {
  const Json* modalities = body.TakeArray("modalities");
  if (modalities == nullptr) return;
  ParseContext& context = body.context();
  for (size_t i = 0; i < modalities->array().size(); ++i) {
    const auto text = ReadString(modalities->array()[i], Indexed("modalities", i), context);
    if (!text) return;
    if (*text != "text")
      return context.Fail(
          UnsupportedValue("modalities", fmt::format("'{}'", Quoted(*text)), "[\"text\"]"));
  }
}

// Parameters whose only accepted value is the one that changes nothing.
void CheckUnimplemented(Fields& body, int n) {
  ParseContext& context = body.context();
  // Fields of text completions, which clients send here too.
  if (const auto best_of = body.Integer("best_of", {}); best_of && *best_of != n)
    context.Fail(UnsupportedValue("best_of", std::to_string(*best_of), "the value of 'n'"));
  if (body.Bool("echo").value_or(false)) context.Fail(UnsupportedValue("echo", "true", "false"));
  body.Refuse("suffix", "It is a field of /v1/completions.");
  // No model here takes it, so it changes nothing, and says so.
  if (body.Enum("verbosity", kVerbosities).value_or(Verbosity::kMedium) != Verbosity::kMedium)
    context.Ignore("verbosity");
  CheckModalities(body);
  RefusePeerFields(body);
  body.Refuse("chat_template", "It is the operator's to choose.");
  body.Refuse("audio");
  body.Refuse("web_search_options");
  body.Refuse("moderation");
  body.Hint("prompt_cache_retention");
  body.Hint("prompt_cache_options");
}

bool MentionsJson(const std::vector<Message>& messages) {
  constexpr std::string_view kWord = "json";
  const auto same = [](char a, char b) { return (a | 0x20) == b; };
  for (const Message& message : messages)
    for (const ContentPart& part : message.content)
      if (std::search(part.text.begin(), part.text.end(), kWord.begin(), kWord.end(), same) !=
          part.text.end())
        return true;
  return false;
}

}  // namespace

Parsed<ChatCompletionRequest> ParseChatCompletionRequest(std::string_view text,
                                                         const ParseOptions& options) {
  Parsed<Json> json = ParseBody(text, options);
  if (!json) return std::move(json).error();
  ParseContext context(options);
  Fields body(*json, "", context);
  ChatCompletionRequest request;
  request.model = body.RequireString("model");
  request.messages = ParseMessages(body);
  request.streaming = ParseStreaming(body);
  request.sampling = ParseSampling(body);
  request.max_tokens = ParseTokensMax(body, kTokensMaxNames, 1, request.sampling);
  request.turn = ParseTurn(body, request.messages);
  const int n_max = std::min(options.n_max, kChoicesMax);
  request.n = static_cast<int>(body.Integer("n", {.min = 1, .max = n_max}).value_or(1));
  ParseLogprobs(body, request);
  request.format = ParseOutputFormat(body);
  request.tool_use = ParseToolUse(body);
  request.prediction = ParsePrediction(body);
  request.service_tier = ParseServiceTier(body);
  request.metadata = ParseMetadata(body);
  request.store = body.Bool("store").value_or(false);
  request.cache_salt = body.String("cache_salt", kIdentityMax).value_or("");
  request.prompt_cache_key = body.String("prompt_cache_key", kIdentityMax).value_or("");
  request.user = body.String("user", kIdentityMax).value_or("");
  request.safety_identifier = body.String("safety_identifier", kSafetyIdentifierMax).value_or("");
  request.thinking = ParseThinking(body);
  request.truncation = body.Enum("truncation", kTruncations).value_or(Truncation::kDisabled);
  CheckUnimplemented(body, request.n);
  if (options.json_word_check && request.format.kind == OutputFormat::Kind::kJsonObject &&
      request.format.param == "response_format" && !MentionsJson(request.messages))
    context.Fail(MissingJsonWord());
  body.Finish();
  if (context.failed()) return context.TakeError();
  request.ignored = context.TakeIgnored();
  return request;
}

}  // namespace infe::api
