#include "server/chat_prompt.h"

#include "server/errors.h"

namespace infe::server {
namespace {

Json MessageJson(const api::Message& message) {
  Json json =
      Json::Object{{"role", std::string(api::Name(message.role))}, {"content", message.Text()}};
  if (!message.name.empty()) json.set("name", message.name);
  return json;
}

}  // namespace

api::Parsed<ChatPrompt> BuildChatPrompt(const ServedModel& model,
                                        const api::ChatCompletionRequest& request) {
  Json messages = Json::MakeArray();
  for (const api::Message& message : request.messages) messages.push_back(MessageJson(message));
  const Json context = Json::Object{{"messages", std::move(messages)},
                                    {"add_generation_prompt", true},
                                    {"bos_token", model.loaded().bos_text},
                                    {"eos_token", model.loaded().eos_text}};
  auto rendered = model.chat_template().Render(context);
  if (!rendered) {
    api::ApiError error = ToApiError(rendered.error());
    if (!error.param) error.param = "messages";
    return error;
  }
  std::vector<tokenizer::TextSpan> trusted;
  for (const chat::TrustedRange& range : rendered->trusted)
    trusted.push_back({range.begin, range.end});
  ChatPrompt prompt;
  prompt.tokens = model.tokenizer().Encode(
      rendered->text, {.special = tokenizer::SpecialTokens::kTrusted, .trusted = trusted});
  prompt.text = std::move(rendered->text);
  return prompt;
}

}  // namespace infe::server
