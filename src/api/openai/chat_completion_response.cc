#include "api/openai/chat_completion_response.h"

namespace infe::api {
namespace {

void AppendCall(std::string& out, const ToolCall& call) {
  const bool is_function = call.kind == ToolCall::Kind::kFunction;
  ObjectText object(out);
  object.String("id", call.id);
  object.String("type", is_function ? "function" : "custom");
  ObjectText inner(object.Key(is_function ? "function" : "custom"));
  inner.String("name", call.name);
  inner.String(is_function ? "arguments" : "input", call.arguments);
  inner.Close();
  object.Close();
}

void AppendMessage(std::string& out, const ChatChoice& choice) {
  ObjectText message(out);
  message.String("role", "assistant");
  if (choice.content) {
    message.String("content", *choice.content);
  } else {
    message.Null("content");
  }
  if (choice.reasoning_content) message.String("reasoning_content", *choice.reasoning_content);
  message.Null("refusal");
  message.Key("annotations") += "[]";
  if (choice.legacy_function_call && !choice.tool_calls.empty()) {
    ObjectText call(message.Key("function_call"));
    call.String("name", choice.tool_calls[0].name);
    call.String("arguments", choice.tool_calls[0].arguments);
    call.Close();
  } else if (!choice.tool_calls.empty()) {
    message.Key("tool_calls") += '[';
    for (size_t i = 0; i < choice.tool_calls.size(); ++i) {
      if (i > 0) out += ',';
      AppendCall(out, choice.tool_calls[i]);
    }
    out += ']';
  }
  message.Close();
}

}  // namespace

std::string WriteChatCompletion(const ChatCompletionResponse& response) {
  std::string out;
  ObjectText object(out);
  object.String("id", response.head.id);
  object.String("object", "chat.completion");
  object.Integer("created", response.head.created);
  object.String("model", response.head.model);
  object.Key("choices") += '[';
  for (size_t i = 0; i < response.choices.size(); ++i) {
    const ChatChoice& choice = response.choices[i];
    if (i > 0) out += ',';
    ObjectText entry(out);
    entry.Integer("index", choice.index);
    AppendMessage(entry.Key("message"), choice);
    if (choice.logprobs) {
      AppendLogprobs(entry.Key("logprobs"), *choice.logprobs);
    } else {
      entry.Null("logprobs");
    }
    entry.String("finish_reason", Name(choice.finish_reason));
    entry.Close();
  }
  out += ']';
  AppendUsage(object.Key("usage"), response.usage);
  if (response.head.service_tier) object.String("service_tier", Name(*response.head.service_tier));
  object.String("system_fingerprint", response.head.fingerprint);
  AppendExtras(object, response.extras);
  object.Close();
  return out;
}

}  // namespace infe::api
