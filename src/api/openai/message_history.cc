#include "api/openai/message_history.h"

#include <algorithm>

#include <fmt/format.h>

namespace infe::api {
namespace {

// The calls of one assistant message that have no answer yet. A client may give two calls the same
// id; then two answers are due.
struct OpenCalls {
  size_t asked_at = 0;
  std::vector<const ToolCall*> calls;

  bool Answer(Message& message) {
    const bool by_name = message.tool_call_id.empty() && !message.name.empty();
    for (size_t i = 0; i < calls.size(); ++i) {
      const bool matches =
          by_name ? calls[i]->name == message.name : calls[i]->id == message.tool_call_id;
      if (!matches) continue;
      message.tool_call_id = calls[i]->id;
      calls.erase(calls.begin() + static_cast<std::ptrdiff_t>(i));
      return true;
    }
    return false;
  }

  std::vector<std::string> Ids() const {
    std::vector<std::string> ids;
    for (const ToolCall* call : calls) ids.push_back(call->id);
    return ids;
  }
};

}  // namespace

std::string LegacyCallId(size_t index) {
  return fmt::format("call_function{}", index);
}

void ValidateHistory(std::vector<Message>& messages, ParseContext& context) {
  OpenCalls open;
  const bool lenient = context.options().allow_unanswered_calls;
  for (size_t i = 0; i < messages.size(); ++i) {
    Message& message = messages[i];
    if (message.role == Role::kTool) {
      if (!open.Answer(message)) return context.Fail(ToolMessageWithoutCall(i));
      continue;
    }
    if (!open.calls.empty() && !lenient) return context.Fail(UnansweredCalls(i, open.Ids()));
    if (message.role != Role::kAssistant) continue;
    open.asked_at = i;
    open.calls.clear();
    for (const ToolCall& call : message.tool_calls) open.calls.push_back(&call);
  }
  if (!open.calls.empty() && !lenient) context.Fail(UnansweredCalls(open.asked_at, open.Ids()));
}

}  // namespace infe::api
