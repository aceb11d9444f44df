#include "chat/render_line.h"

#include "jinja/template.h"

namespace infe::chat {
namespace {

Result<Json> Render(std::string_view text, std::string_view default_template) {
  INFE_ASSIGN(const Json request, ParseJson(text, {.depth = 200, .allow_duplicate_keys = true}));
  const Json* source = request.find("template");
  if (source != nullptr && !source->is_string())
    return InvalidArgument("template must be a string");
  INFE_ASSIGN(const auto compiled,
              jinja::Template::Compile(source != nullptr ? source->as_string() : default_template));
  jinja::RenderOptions options;
  if (const Json* now = request.find("now"); now != nullptr && now->is_number())
    options.now = now->as_int64();
  const Json* context = request.find("context");
  INFE_ASSIGN(const jinja::RenderedText rendered,
              compiled->Render(context != nullptr ? *context : Json::MakeObject(), options));
  Json ranges = Json::MakeArray();
  for (const jinja::TrustedRange& range : rendered.trusted) {
    ranges.push_back(Json::Array{Json(static_cast<uint64_t>(range.begin)),
                                 Json(static_cast<uint64_t>(range.end))});
  }
  Json out = Json::MakeObject();
  out.set("text", rendered.text);
  out.set("trusted", std::move(ranges));
  return out;
}

}  // namespace

std::string RenderLine(std::string_view request, std::string_view default_template) {
  const Result<Json> answer = Render(request, default_template);
  if (answer) return answer->Dump();
  Json failure = Json::MakeObject();
  failure.set("error", answer.error().message);
  return failure.Dump();
}

}  // namespace infe::chat
