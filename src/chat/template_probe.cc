#include "chat/template_probe.h"

#include <utility>

namespace infe::chat {
namespace {

// A model's template is probed some dozens of times while it loads, with conversations of a few
// short messages, for which the longest templates in use take under 20,000 steps.
constexpr uint64_t kProbeFuel = 200'000;
constexpr size_t kProbeBytesMax = 32u << 20;
constexpr std::chrono::milliseconds kProbeTimeMax{100};

Json Object(Json::Object members) {
  return Json(std::move(members));
}

Json ProbeTools() {
  Json key = Object({{"type", "string"}, {"description", "zqkeytext"}});
  Json parameters = Object({{"type", "object"},
                            {"properties", Object({{std::string(kProbeKey), std::move(key)}})},
                            {"required", Json::Array{Json(kProbeKey)}}});
  Json function = Object(
      {{"name", kProbeTool}, {"description", "zqtooltext"}, {"parameters", std::move(parameters)}});
  return Json::Array{Object({{"type", "function"}, {"function", std::move(function)}})};
}

}  // namespace

std::string ProbeCallId(std::string_view tool, const TemplateTraits& traits) {
  if (!traits.wants_short_ids) return "call_" + std::string(tool);
  std::string id = std::string(tool) + "000000000";
  id.resize(9);
  return id;
}

std::optional<std::string> TemplateProbe::Render(Json::Array messages,
                                                 const Options& options) const {
  Json context = variables_;
  context.set("messages", Json(std::move(messages)));
  context.set("tools", options.with_tools ? ProbeTools() : Json());
  context.set("documents", Json());
  context.set("add_generation_prompt", options.add_generation_prompt);
  if (!options.set_variable.empty()) context.set(options.set_variable, options.value);
  jinja::RenderOptions bounds;
  bounds.now = 0;
  bounds.fuel = kProbeFuel;
  bounds.memory_bytes_max = kProbeBytesMax;
  bounds.cpu_time_max = kProbeTimeMax;
  Result<jinja::RenderedText> rendered = compiled_.Render(context, bounds);
  if (!rendered) return std::nullopt;
  return std::move(rendered->text);
}

Json ProbeContent(std::string_view text, bool typed) {
  if (!typed) return Json(text);
  return Json::Array{Object({{"type", "text"}, {"text", text}})};
}

void SetReasoning(Json& message, ReasoningKey key, std::string reasoning) {
  switch (key) {
    case ReasoningKey::kReasoningContent:
      message.set("reasoning_content", std::move(reasoning));
      return;
    case ReasoningKey::kThinking:
      message.set("thinking", std::move(reasoning));
      return;
    case ReasoningKey::kPart: {
      Json::Array parts{Object({{"type", "thinking"}, {"thinking", std::move(reasoning)}})};
      const Json* content = message.find("content");
      if (content != nullptr && content->is_string() && !content->as_string().empty())
        parts.push_back(Object({{"type", "text"}, {"text", *content}}));
      if (content != nullptr && content->is_array())
        for (const Json& part : content->array()) parts.push_back(part);
      message.set("content", Json(std::move(parts)));
      return;
    }
  }
}

Json ProbeMessage(std::string_view role, Json content) {
  return Object({{"role", role}, {"content", std::move(content)}});
}

namespace {

Json CallsWith(const std::vector<std::string_view>& tools, const TemplateTraits& traits,
               const Json& object, const std::string& text) {
  Json::Array calls;
  for (const std::string_view tool : tools) {
    Json arguments = traits.wants_object_arguments ? object : Json(text);
    Json function = Object({{"name", tool}, {"arguments", std::move(arguments)}});
    calls.push_back(Object({{"id", ProbeCallId(tool, traits)},
                            {"type", "function"},
                            {"function", std::move(function)}}));
  }
  Json message = ProbeMessage("assistant", traits.wants_null_content ? Json() : Json(""));
  message.set("tool_calls", Json(std::move(calls)));
  return message;
}

}  // namespace

Json ProbeCalls(const std::vector<std::string_view>& tools, const TemplateTraits& traits) {
  const std::string key(kProbeKey);
  return CallsWith(tools, traits, Object({{key, kProbeValue}}),
                   R"({")" + key + R"(": ")" + std::string(kProbeValue) + R"("})");
}

Json ProbeSeveralArguments(const TemplateTraits& traits) {
  const Json object = Object({{std::string(kProbeKey), kProbeValue},
                              {std::string(kProbeSecondKey), "zqother"},
                              {std::string(kProbeNumberKey), 41},
                              {std::string(kProbeFlagKey), true},
                              {"zqobject", Object({{std::string(kProbeDeepKey), "zqinner"}})}});
  return CallsWith({kProbeTool}, traits, object, object.Dump());
}

Json ProbeToolResult(std::string_view tool, const TemplateTraits& traits) {
  Json message = ProbeMessage("tool", ProbeContent(kProbeResult, traits.wants_typed_content));
  message.set("name", tool);
  message.set("tool_call_id", ProbeCallId(tool, traits));
  return message;
}

}  // namespace infe::chat
