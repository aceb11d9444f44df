// What a conversation consists of inside infe. The wire's messages (api/) are turned into these by
// a handler; nothing here knows OpenAI's JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace infe::chat {

enum class Role : uint8_t { kSystem, kUser, kAssistant, kTool };

// "system" and "developer" are one, "tool" and the legacy "function" too. nullopt: unknown.
std::optional<Role> ParseRole(std::string_view name);
// The name that templates know.
std::string_view Name(Role role);

// One call of an assistant's message.
struct ToolCall {
  std::string id;
  std::string name;
  std::string arguments;  // as the model wrote them; usually, not always, a JSON object
};

struct Message {
  Role role = Role::kUser;
  std::string content;  // empty where the wire had null
  std::string name;  // of the speaker, or of the function a tool message answers for; may be empty
  std::vector<ToolCall> tool_calls;  // of assistants
  std::string tool_call_id;          // of tools: the call that this answers
  std::string reasoning_content;     // of assistants that think
};

struct ToolSpec {
  std::string name;
  std::string description;  // may be empty
  Json parameters;          // a JSON schema; null: none given
  bool strict = false;
};

struct PromptRequest {
  std::vector<Message> messages;
  std::vector<ToolSpec> tools;
  bool add_generation_prompt = true;
  std::optional<bool> thinking;  // for models with a switch; unset: the template's own default
  // Further variables of the template, an object or null. They win over infe's own, but for
  // messages, tools and the special tokens.
  Json variables;
};

}  // namespace infe::chat
