// The messages of a chat request. Legacy forms are brought to the modern ones here: role
// `developer` becomes system, role `function` and an assistant's `function_call` become tool
// messages and tool calls with ids made up from their place, so that the rest of the program knows
// one form.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/fields.h"

namespace infe::api {

enum class Role { kSystem, kUser, kAssistant, kTool };
std::string_view Name(Role role);

struct ToolCall {
  enum class Kind { kFunction, kCustom };
  Kind kind = Kind::kFunction;
  std::string id;
  std::string name;
  std::string arguments;  // function: JSON text, maybe cut or broken; custom: the input text
};

struct ContentPart {
  enum class Kind { kText, kRefusal, kThought };
  Kind kind = Kind::kText;
  std::string text;
};

struct Message {
  Role role = Role::kUser;
  bool has_content = false;  // false: content was null or absent (assistant only)
  bool content_is_array = false;
  std::vector<ContentPart> content;  // one part where content was a string; no thoughts
  std::string name;                  // "" if none
  std::string refusal;               // assistant; "" if none
  std::string reasoning_content;     // assistant; "" if none
  std::vector<ToolCall> tool_calls;  // assistant
  std::string tool_call_id;          // tool
  bool is_prefix = false;            // assistant: if it is the last, the answer goes on with it

  // All parts as one text, parts joined by a newline.
  std::string Text() const;
};

// Reads messages[]: at least one, each valid by itself, then ValidateHistory.
std::vector<Message> ParseMessages(Fields& body);

// A string or an array of text parts, as prediction.content has it too. where: who holds it.
enum class ContentOwner { kOther, kAssistant };
std::vector<ContentPart> ParseContent(const Json& value, const std::string& path,
                                      ContentOwner owner, ParseContext& context);

}  // namespace infe::api
