#include "answer/choice_reader.h"

#include <algorithm>
#include <utility>

namespace infe::answer {

ReadingRules ReadingRulesOf(const ChatAsk& ask, const chat::OutputParserOptions& parser) {
  ReadingRules rules{.parser = parser, .calls_max = ask.tool_policy.calls_max};
  for (const Tool& tool : ask.tools)
    if (tool.kind == Tool::Kind::kCustom) rules.custom_tools.push_back(tool.name);
  return rules;
}

std::vector<EventBody> ChoiceReader::Take(std::vector<chat::OutputEvent> events) {
  using Kind = chat::OutputEvent::Kind;
  std::vector<EventBody> taken;
  for (chat::OutputEvent& event : events) {
    if (complete_) break;
    const auto call = static_cast<uint32_t>(event.call);
    switch (event.kind) {
      case Kind::kContent:
        taken.emplace_back(Text{std::move(event.text)});
        break;
      case Kind::kReasoning:
        taken.emplace_back(Reasoning{std::move(event.text)});
        break;
      case Kind::kCallBegin: {
        const auto& custom = rules_.custom_tools;
        input_.reset();
        if (std::find(custom.begin(), custom.end(), event.text) != custom.end()) input_.emplace();
        ++begun_;
        taken.emplace_back(CallBegin{call, input_ ? CallKind::kCustom : CallKind::kFunction,
                                     std::move(event.text)});
        break;
      }
      case Kind::kCallArguments:
        if (input_) event.text = input_->Feed(event.text);
        if (event.text.empty()) break;
        taken.emplace_back(CallArguments{call, input_ ? CallKind::kCustom : CallKind::kFunction,
                                         std::move(event.text)});
        break;
      case Kind::kCallEnd:
        ++ended_;
        complete_ = rules_.calls_max > 0 && ended_ >= rules_.calls_max;
        taken.emplace_back(CallEnd{call});
        break;
    }
  }
  return taken;
}

}  // namespace infe::answer
