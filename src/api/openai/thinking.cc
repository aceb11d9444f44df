#include "api/openai/thinking.h"

#include <array>
#include <utility>

#include <fmt/format.h>

namespace infe::api {
namespace {

constexpr std::array<EnumName<ReasoningEffort>, 7> kEfforts{{{"none", ReasoningEffort::kNone},
                                                             {"minimal", ReasoningEffort::kMinimal},
                                                             {"low", ReasoningEffort::kLow},
                                                             {"medium", ReasoningEffort::kMedium},
                                                             {"high", ReasoningEffort::kHigh},
                                                             {"xhigh", ReasoningEffort::kXHigh},
                                                             {"max", ReasoningEffort::kMax}}};
enum class Switch { kEnabled, kDisabled, kAdaptive };
constexpr std::array<EnumName<Switch>, 3> kSwitches{{{"enabled", Switch::kEnabled},
                                                     {"disabled", Switch::kDisabled},
                                                     {"adaptive", Switch::kAdaptive}}};

// One thing that several fields may say: the first that does counts, and the others agree.
template <typename T>
void Say(ParseContext& context, std::optional<T>& said, std::string& where, std::optional<T> value,
         std::string path) {
  if (!value) return;
  if (said && *said != *value)
    context.Fail(
        InvalidCombination(path, fmt::format("'{}' and '{}' contradict each other.", where, path)));
  if (said) return;
  said = value;
  where = std::move(path);
}

void ParseReasoning(Fields& body, ThinkingFields& out) {
  const Json* object = body.TakeObject("reasoning");
  if (object == nullptr) return;
  ParseContext& context = body.context();
  Fields fields(*object, "reasoning", context);
  Say(context, out.effort, out.effort_param, fields.Enum("effort", kEfforts),
      fields.Path("effort"));
  Say(context, out.tokens_max, out.tokens_max_param, fields.Integer("max_tokens", {.min = 0}),
      fields.Path("max_tokens"));
  Say(context, out.on, out.on_param, fields.Bool("enabled"), fields.Path("enabled"));
  fields.Finish();
}

void ParseSwitch(Fields& body, ThinkingFields& out) {
  ParseContext& context = body.context();
  if (const Json* value = body.Take("thinking"); value != nullptr && value->is_bool())
    return Say(context, out.on, out.on_param, std::optional(value->as_bool()), "thinking");
  const Json* object = body.TakeObject("thinking");
  if (object == nullptr) return;
  Fields fields(*object, "thinking", context);
  const std::optional<Switch> type = fields.Enum("type", kSwitches);
  if (type && *type != Switch::kAdaptive)
    Say(context, out.on, out.on_param, std::optional(*type == Switch::kEnabled),
        fields.Path("type"));
  Say(context, out.tokens_max, out.tokens_max_param, fields.Integer("budget_tokens", {.min = 0}),
      fields.Path("budget_tokens"));
  fields.Finish();
}

}  // namespace

std::string_view Name(ReasoningEffort effort) {
  for (const auto& entry : kEfforts)
    if (entry.value == effort) return entry.name;
  return "medium";
}

ThinkingFields ParseThinking(Fields& body) {
  ParseContext& context = body.context();
  ThinkingFields out;
  Say(context, out.effort, out.effort_param, body.Enum("reasoning_effort", kEfforts),
      "reasoning_effort");
  Say(context, out.on, out.on_param, body.Bool("enable_thinking"), "enable_thinking");
  for (const char* name : {"thinking_token_budget", "thinking_budget"})
    Say(context, out.tokens_max, out.tokens_max_param, body.Integer(name, {.min = 0}), name);
  ParseReasoning(body, out);
  ParseSwitch(body, out);
  if (const Json* arguments = body.TakeObject("chat_template_kwargs"))
    out.template_arguments = *arguments;
  return out;
}

}  // namespace infe::api
