#include "chat/template_traits.h"

#include <utility>

#include "chat/harmony.h"
#include "chat/template_probe.h"

namespace infe::chat {
namespace {

class TraitFinder {
 public:
  TraitFinder(const jinja::Template& compiled, const Json& variables)
      : probe_(compiled, variables) {}

  TemplateTraits Run() {
    // Content first: every other probe has some.
    traits_.wants_typed_content =
        !Shows(Render({User()}), kProbeUser) &&
        Shows(Render({ProbeMessage("user", ProbeContent(kProbeUser, true))}), kProbeUser);
    FindSystem();
    traits_.requires_alternation =
        Render({User()}) && Render({User(), Answer(), User()}) &&
        (!Render({User(), User()}) || !Render({User(), Answer(), Answer(), User()}));
    Json named = User();
    named.set("name", "zqname");
    traits_.takes_name = Shows(Render({named}), "zqname");
    FindTools();
    FindReasoning();
    return traits_;
  }

 private:
  std::optional<std::string> Render(Json::Array messages, bool with_tools = false) const {
    return probe_.Render(std::move(messages), {.with_tools = with_tools,
                                               .add_generation_prompt = false,
                                               .set_variable = {},
                                               .value = false});
  }
  Json Say(std::string_view role, std::string_view text) const {
    return ProbeMessage(role, ProbeContent(text, traits_.wants_typed_content));
  }
  Json User() const { return Say("user", kProbeUser); }
  Json Answer() const { return Say("assistant", kProbeAnswer); }

  void FindSystem() {
    const Json system = Say("system", kProbeSystem);
    traits_.takes_system = Shows(Render({system, User()}), kProbeSystem);
    traits_.takes_late_system =
        traits_.takes_system && Shows(Render({User(), Answer(), system, User()}), kProbeSystem);
  }

  // Whether calls in the form that `form` says appear, name and arguments, as JSON or bare values.
  bool CallsAppear(const TemplateTraits& form) const {
    const std::optional<std::string> text = Render({User(), ProbeCalls({kProbeTool}, form)}, true);
    if (!Shows(text, kProbeTool) || !Shows(text, kProbeKey) || !Shows(text, kProbeValue))
      return false;
    const std::string key(kProbeKey);
    const std::string value(kProbeValue);
    const bool as_python = Shows(text, "'" + key + "': '" + value + "'");
    const bool as_string = Shows(text, "\\\"" + key + "\\\": \\\"" + value + "\\\"");
    const bool prints_null = form.wants_null_content && Shows(text, "None") &&
                             !Shows(Render({User(), Answer()}, true), "None");
    return !as_python && !as_string && !prints_null;
  }

  void FindTools() {
    const std::optional<std::string> with_tools = Render({User()}, true);
    traits_.takes_tools = Shows(with_tools, kProbeTool) && Shows(with_tools, kProbeKey);
    for (const bool short_ids : {false, true}) {
      for (const bool null_content : {false, true}) {
        for (const bool object_arguments : {true, false}) {
          TemplateTraits form = traits_;
          form.wants_short_ids = short_ids;
          form.wants_null_content = null_content;
          form.wants_object_arguments = object_arguments;
          if (!CallsAppear(form)) continue;
          traits_ = form;
          traits_.takes_tool_calls = true;
          TemplateTraits as_text = form;
          as_text.wants_object_arguments = false;
          traits_.takes_text_arguments =
              Shows(Render({User(), ProbeCalls({kProbeTool}, as_text)}, true), kProbeValue);
          traits_.takes_tool_role = Shows(
              Render({User(), ProbeCalls({kProbeTool}, form), ProbeToolResult(kProbeTool, form)},
                     true),
              kProbeResult);
          return;
        }
      }
    }
  }

  // Earlier answers with reasoning under one key after the other, until a template shows it.
  bool FindReasoningTags() {
    for (const ReasoningKey key :
         {ReasoningKey::kReasoningContent, ReasoningKey::kThinking, ReasoningKey::kPart}) {
      Json answer = Answer();
      SetReasoning(answer, key, std::string(kProbeReasoning));
      // Some show it only in turns that go on with calls.
      Json calls = traits_.takes_tool_calls ? ProbeCalls({kProbeTool}, traits_) : answer;
      SetReasoning(calls, key, std::string(kProbeReasoning));
      for (const Json& message : {answer, calls}) {
        const std::optional<std::string> text = Render({User(), message}, traits_.takes_tool_calls);
        if (!Shows(text, kProbeReasoning)) continue;
        const std::optional<ReasoningTags> tags = TagsAround(*text, kProbeReasoning);
        if (!tags) continue;
        traits_.reasoning_key = key;
        if (text->find(std::string(harmony::kFinal) + std::string(kProbeAnswer)) !=
                std::string::npos &&
            text->find(std::string(harmony::kAnalysis) + std::string(kProbeReasoning)) !=
                std::string::npos) {
          traits_.is_harmony = true;
          traits_.reasoning_tags = HarmonyReasoning();
          return true;
        }
        // What stands before any text of any turn announces no reasoning: it is of channels.
        const size_t user = text->find(kProbeUser);
        if (user != std::string::npos &&
            TagAtEnd(std::string_view(*text).substr(0, user)) == tags->begin)
          return false;
        traits_.reasoning_tags = *tags;
        return true;
      }
    }
    return false;
  }

  void FindReasoning() {
    const bool found = FindReasoningTags();
    const auto prompt = [&](const std::string& variable, bool value) {
      return probe_.Render({User()}, {.with_tools = false,
                                      .add_generation_prompt = true,
                                      .set_variable = variable,
                                      .value = value});
    };
    for (const std::string variable : {"enable_thinking", "thinking"}) {
      if (prompt(variable, true) == prompt(variable, false)) continue;
      traits_.thinking_variable = variable;
      traits_.has_reasoning = true;
      return;
    }
    traits_.has_reasoning =
        found || Shows(prompt("", false), traits_.reasoning_tags.begin) || DropsReasoning();
  }

  // Templates of thinking models cut the reasoning out of earlier answers.
  bool DropsReasoning() const {
    const std::optional<std::string> text =
        Render({User(), Say("assistant", "<think>zqreasoning</think>zqanswer"), User()});
    return Shows(text, kProbeAnswer) && !Shows(text, kProbeReasoning);
  }

  const TemplateProbe probe_;
  TemplateTraits traits_;
};

}  // namespace

TemplateTraits ProbeTraits(const jinja::Template& compiled, const Json& variables) {
  return TraitFinder(compiled, variables).Run();
}

}  // namespace infe::chat
