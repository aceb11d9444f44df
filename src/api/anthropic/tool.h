// What the model may call: `tools` and `tool_choice`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/fields.h"
#include "base/json.h"

namespace infe::api::anthropic {

struct Tool {
  std::string name;         // [A-Za-z0-9_-]{1,128}, unique among the tools
  std::string description;  // "" if none
  Json input_schema;        // an object
  bool strict = false;
  bool deferred = false;  // shown to the model only once a search for tools has found it
  std::string path;       // of its schema
};

struct ToolChoice {
  enum class Type { kAuto, kAny, kTool, kNone };
  Type type = Type::kAuto;
  std::string name;      // kTool: one of the tools
  bool parallel = true;  // false: one call at most
};

struct ToolUse {
  std::vector<Tool> tools;
  ToolChoice choice;
  // Tools that run at Anthropic, or whose schema only its models know ("web_search"): named in the
  // answer, never shown to the model.
  std::vector<std::string> left_out;
};

ToolUse ParseToolUse(Fields& body);

}  // namespace infe::api::anthropic
