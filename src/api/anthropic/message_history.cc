#include "api/anthropic/message_history.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

namespace infe::api::anthropic {
namespace {

std::string Listed(const std::vector<std::string>& ids) {
  std::string out;
  for (const std::string& id : ids)
    out += fmt::format("{}'{}'", out.empty() ? "" : ", ", Quoted(id));
  return out;
}

ApiError ResultWithoutUse(size_t message, const std::string& id) {
  return InvalidValue(
      fmt::format("messages[{}].content", message),
      fmt::format("Invalid 'messages[{}].content': the tool_result for '{}' answers no tool_use of "
                  "the assistant's message before it.",
                  message, Quoted(id)));
}

ApiError UseWithoutResult(size_t message, const std::vector<std::string>& ids) {
  return InvalidValue(
      fmt::format("messages[{}].content", message),
      fmt::format("Invalid 'messages[{}].content': each tool_use needs its tool_result in the next "
                  "message; there is none for {}.",
                  message, Listed(ids)));
}

}  // namespace

void ValidateHistory(const std::vector<Message>& messages, ParseContext& context) {
  std::vector<std::string> open;  // the last assistant's calls without their results
  size_t asked_at = 0;
  const bool lenient = context.options().allow_unanswered_calls;
  Role turn = Role::kSystem;  // whose turn it is; system: nobody's yet
  for (size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    if (message.role == Role::kSystem) continue;
    if (message.role == Role::kAssistant) {
      if (turn == Role::kUser) {
        if (!open.empty() && !lenient) return context.Fail(UseWithoutResult(asked_at, open));
        open.clear();
      }
      asked_at = i;
      for (const Block& block : message.content)
        if (block.kind == Block::Kind::kToolUse) open.push_back(block.id);
    } else {
      for (const Block& block : message.content) {
        if (block.kind != Block::Kind::kToolResult) continue;
        const auto found = std::find(open.begin(), open.end(), block.id);
        if (found == open.end()) return context.Fail(ResultWithoutUse(i, block.id));
        open.erase(found);
      }
    }
    turn = message.role;
  }
  if (!open.empty() && !lenient) context.Fail(UseWithoutResult(asked_at, open));
}

}  // namespace infe::api::anthropic
