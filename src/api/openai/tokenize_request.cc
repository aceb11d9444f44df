#include "api/openai/tokenize_request.h"

#include <utility>

#include "api/fields.h"
#include "api/json_text.h"
#include "api/request_body.h"

namespace infe::api {
namespace {

constexpr int64_t kTokenIdMax = 0x7FFFFFFF;
// A context's worth of ids, and then some; the body's own bound holds as well.
constexpr size_t kTokensMax = 1 << 20;

// The chat's own fields, read as the endpoint for chats reads them.
Parsed<ChatCompletionRequest> ParseChat(const Json& body, const ParseOptions& options) {
  Json::Object members;
  bool has_model = false;
  for (const auto& [name, value] : body.object()) {
    if (name == "add_special_tokens" || name == "return_token_strs") continue;
    has_model = has_model || name == "model";
    members.emplace_back(name, value);
  }
  if (!has_model) members.emplace_back("model", Json(""));
  return ParseChatCompletionRequest(Json(std::move(members)).Dump(), options);
}

}  // namespace

Parsed<TokenizeRequest> ParseTokenizeRequest(std::string_view text, const ParseOptions& options) {
  Parsed<Json> json = ParseBody(text, options);
  if (!json) return std::move(json).error();
  ParseContext context(options);
  Fields body(*json, "", context);
  TokenizeRequest request;
  request.model = body.String("model").value_or("");
  request.add_special = body.Bool("add_special_tokens").value_or(true);
  request.token_texts = body.Bool("return_token_strs").value_or(false);
  const bool has_messages = body.Take("messages") != nullptr;
  const std::optional<std::string> prompt = body.String("prompt");
  if (prompt && has_messages)
    context.Fail(
        InvalidCombination("messages", "'prompt' and 'messages' cannot be used together."));
  if (!prompt && !has_messages) context.Fail(MissingParameter("prompt"));
  if (!has_messages) body.Finish();
  if (context.failed()) return context.TakeError();
  request.prompt = prompt.value_or("");
  if (has_messages) {
    Parsed<ChatCompletionRequest> chat = ParseChat(*json, options);
    if (!chat) return std::move(chat).error();
    request.chat = std::move(*chat);
  }
  return request;
}

Parsed<DetokenizeRequest> ParseDetokenizeRequest(std::string_view text,
                                                 const ParseOptions& options) {
  Parsed<Json> json = ParseBody(text, options);
  if (!json) return std::move(json).error();
  ParseContext context(options);
  Fields body(*json, "", context);
  DetokenizeRequest request;
  request.model = body.String("model").value_or("");
  if (const Json* tokens = body.RequireArray("tokens")) {
    const Json::Array& array = tokens->array();
    if (array.size() > kTokensMax) context.Fail(ArrayTooLong("tokens", kTokensMax, array.size()));
    request.tokens.reserve(array.size());
    for (size_t i = 0; i < array.size() && !context.failed(); ++i) {
      // The path is built for the error only: there may be a million ids.
      const auto token = array[i].is_number() ? array[i].as_int64() : std::nullopt;
      if (token && *token >= 0 && *token <= kTokenIdMax)
        request.tokens.push_back(*token);
      else
        ReadInteger(array[i], Indexed("tokens", i), {.min = 0, .max = kTokenIdMax}, context);
    }
  }
  body.Finish();
  if (context.failed()) return context.TakeError();
  return request;
}

std::string WriteTokenized(const TokenizedText& tokenized) {
  std::string out;
  ObjectText object(out);
  object.Integer("count", static_cast<int64_t>(tokenized.tokens.size()));
  object.Integer("max_model_len", tokenized.context_max);
  object.Key("tokens") += '[';
  for (size_t i = 0; i < tokenized.tokens.size(); ++i) {
    if (i > 0) out += ',';
    AppendInteger(out, tokenized.tokens[i]);
  }
  out += ']';
  if (tokenized.token_texts) {
    object.Key("token_strs") += '[';
    for (size_t i = 0; i < tokenized.token_texts->size(); ++i) {
      if (i > 0) out += ',';
      AppendJsonString(out, (*tokenized.token_texts)[i]);
    }
    out += ']';
  } else {
    object.Null("token_strs");
  }
  object.Close();
  return out;
}

std::string WriteDetokenized(std::string_view text) {
  std::string out;
  ObjectText object(out);
  object.String("prompt", text);
  object.Close();
  return out;
}

}  // namespace infe::api
