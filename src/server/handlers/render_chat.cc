#include "server/handlers/render_chat.h"

#include <utility>

#include "answer/prompt.h"
#include "api/openai/answer_error.h"
#include "api/openai/chat_ask.h"
#include "api/openai/chat_completion_request.h"
#include "server/handlers/ask_stages.h"
#include "server/handlers/parse_options.h"

namespace infe::server {
namespace {

Error ToError(const api::ApiError& error) {
  return InvalidArgument(error.message, error.param.value_or(""));
}

// With a model's name, which no template sees.
Result<std::string> Named(std::string_view body, const std::string& model) {
  // The depth of a request's body and that of the schemas in its tools.
  INFE_ASSIGN(Json json, ParseJson(body, {.depth = 256}));
  if (!json.is_object()) return InvalidArgument("a chat request is a JSON object");
  if (json.find("model") == nullptr) json.set("model", model);
  return json.Dump();
}

}  // namespace

Result<std::string> RenderChat(const answer::ModelText& model, std::string_view body,
                               const ServerConfig& config) {
  INFE_ASSIGN(const std::string named, Named(body, model.name));
  auto request = api::ParseChatCompletionRequest(named, ParseOptionsOf(config));
  if (!request) return ToError(request.error());
  answer::ChatAsk ask = api::ToAsk(*request);
  ask.purpose = answer::Purpose::kLook;
  auto prompt = answer::BuildChatPrompt(model, ask, PolicyOf(config));
  if (!prompt) return ToError(api::ToApiError(prompt.error()));
  return std::move(prompt->text);
}

}  // namespace infe::server
