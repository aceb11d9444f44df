#include "server/choice_reader.h"

#include <algorithm>

#include "api/ids.h"

namespace infe::server {

std::vector<chat::OutputEvent> ChoiceReader::Take(std::vector<chat::OutputEvent> events) {
  std::vector<chat::OutputEvent> taken;
  for (chat::OutputEvent& event : events) {
    if (complete_) break;
    switch (event.kind) {
      case chat::OutputEvent::Kind::kContent:
      case chat::OutputEvent::Kind::kReasoning:
        break;
      case chat::OutputEvent::Kind::kCallBegin: {
        api::ToolCall call;
        call.id = api::NewCallId();
        call.name = event.text;
        const auto& custom = rules_.custom_tools;
        input_.reset();
        if (std::find(custom.begin(), custom.end(), event.text) != custom.end()) {
          call.kind = api::ToolCall::Kind::kCustom;
          input_.emplace();
        }
        calls_.push_back(std::move(call));
        break;
      }
      case chat::OutputEvent::Kind::kCallArguments:
        if (input_) event.text = input_->Feed(event.text);
        if (event.text.empty()) continue;
        calls_.back().arguments += event.text;
        break;
      case chat::OutputEvent::Kind::kCallEnd:
        complete_ = rules_.one_call || rules_.legacy_functions;
        break;
    }
    taken.push_back(std::move(event));
  }
  return taken;
}

api::FinishReason ChoiceReader::ToWire(api::FinishReason reason) const {
  if (calls_.empty() || reason != api::FinishReason::kStop) return reason;
  if (rules_.named) return api::FinishReason::kStop;
  return rules_.legacy_functions ? api::FinishReason::kFunctionCall : api::FinishReason::kToolCalls;
}

}  // namespace infe::server
