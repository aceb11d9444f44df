// What the model may call: tools (functions and custom tools), tool_choice, parallel_tool_calls,
// and the legacy functions and function_call, which become the same structs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/fields.h"
#include "base/json.h"

namespace infe::api {

struct Tool {
  enum class Kind { kFunction, kCustom };
  enum class InputSyntax { kText, kLark, kRegex };  // of a custom tool's input

  Kind kind = Kind::kFunction;
  std::string name;         // [A-Za-z0-9_-]{1,64}, unique among the tools
  std::string description;  // "" if none
  Json parameters;          // function: the schema, an object; null if the function has none
  bool strict = false;      // function
  InputSyntax input_syntax = InputSyntax::kText;
  std::string input_grammar;  // lark or regex text
  std::string param;          // tools[i].function.parameters and the like, for schema errors
  Json source;                // the element of `tools` as it was sent, for templates and prompts
};

struct ToolChoice {
  enum class Mode {
    kNone,      // tools stay in the prompt, calls are forbidden
    kAuto,      // the model chooses
    kRequired,  // at least one call
    kNamed,     // exactly the tool `names[0]`; ends with finish_reason stop
  };
  Mode mode = Mode::kAuto;
  bool restricted = false;         // only `names` may be called: allowed_tools and kNamed
  std::vector<std::string> names;  // each is one of the tools
};

struct ToolUse {
  std::vector<Tool> tools;
  ToolChoice choice;  // kAuto where tools are given and nothing is said
  bool parallel_calls = true;
  bool legacy_functions = false;  // answer with message.function_call instead of tool_calls
};

ToolUse ParseToolUse(Fields& body);

}  // namespace infe::api
