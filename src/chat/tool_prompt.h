// Tools for models whose template knows none: a block for the system message with the tools'
// compact schemas and one example, calls and results as ordinary text. The calls are in Hermes'
// form, which most small models have seen.
#pragma once

#include <string>
#include <vector>

#include "chat/message.h"
#include "chat/tool_format.h"

namespace infe::chat {

// One tool as templates get it: {"type": "function", "function": {...}}.
Json ToolJson(const ToolSpec& tool);

// tools must not be empty.
std::string ToolSystemBlock(const std::vector<ToolSpec>& tools, const ToolFormat& format);

// The calls of an answer, as the model would write them.
std::string CallsText(const std::vector<ToolCall>& calls, const ToolFormat& format);

// A call's result inside a user turn.
std::string ToolResultText(const std::string& content);

}  // namespace infe::chat
