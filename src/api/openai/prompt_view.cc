#include "api/openai/prompt_view.h"

#include "api/json_text.h"

namespace infe::api {

std::string WriteInputTokens(std::string_view model, int64_t input_tokens) {
  std::string out;
  ObjectText object(out);
  object.String("object", "chat.completion.input_tokens");
  object.String("model", model);
  object.Integer("input_tokens", input_tokens);
  object.Close();
  return out;
}

namespace {

void WriteTokens(ObjectText& object, const RenderedPrompt& rendered) {
  std::string& out = object.Key("token_ids") += '[';
  for (size_t i = 0; i < rendered.token_ids.size(); ++i) {
    if (i > 0) out += ',';
    AppendInteger(out, rendered.token_ids[i]);
  }
  out += ']';
  object.Integer("input_tokens", static_cast<int64_t>(rendered.token_ids.size()));
  object.String("render_fingerprint", rendered.fingerprint);
}

}  // namespace

std::string WriteRender(const RenderedPrompt& rendered) {
  std::string out;
  out.reserve(rendered.prompt.size() + rendered.token_ids.size() * 7 + 256);
  ObjectText object(out);
  object.String("object", "chat.completion.render");
  object.String("model", rendered.model);
  object.String("prompt", rendered.prompt);
  WriteTokens(object, rendered);
  object.Close();
  return out;
}

std::string WriteTextRenders(std::span<const RenderedPrompt> rendered) {
  std::string out = "[";
  for (size_t i = 0; i < rendered.size(); ++i) {
    if (i > 0) out += ',';
    ObjectText object(out);
    object.String("object", "text_completion.render");
    object.Integer("index", static_cast<int64_t>(i));
    object.String("model", rendered[i].model);
    WriteTokens(object, rendered[i]);
    object.Close();
  }
  out += ']';
  return out;
}

}  // namespace infe::api
