// What the model may call in a Responses request: functions and custom tools, alone or in groups
// ("namespace"), and tool_choice. Tools that OpenAI runs itself (web_search, mcp, shell, ...) infe
// cannot run: they are left out and named.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "answer/ask.h"
#include "api/fields.h"
#include "base/json.h"

namespace infe::api::responses {

// A tool of a group, by the one name that the model knows it by.
struct GroupedTool {
  std::string flat_name;
  std::string group;
  std::string name;
};

struct ToolUse {
  std::vector<answer::Tool> tools = {};
  std::vector<GroupedTool> grouped = {};
  answer::ToolPolicy policy = {};
  bool parallel_calls = true;
  std::vector<std::string> left_out = {};  // types of tools, each once, in their order
  Json tools_shown = {};                   // an array: what the answer says of `tools`
  Json choice_shown = {};                  // and of `tool_choice`

  const GroupedTool* FindGrouped(std::string_view flat_name) const;
};

ToolUse ParseToolUse(Fields& body);

}  // namespace infe::api::responses
