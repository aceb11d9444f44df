// Finds a call whose arguments are a JSON object in what a template rendered.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "chat/spellings/call_renderings.h"
#include "chat/tool_format.h"

namespace infe::chat {

// One call in the text: an object around the name, or the name itself, to the end of the arguments
// or of the object.
struct JsonCallSpan {
  size_t begin = 0;
  size_t name = 0;
  size_t arguments = 0;
  size_t arguments_end = 0;
  size_t end = 0;
  bool is_object = false;
};

std::optional<JsonCallSpan> FindJsonCall(std::string_view text, std::string_view tool, size_t from);

// What stands around name and arguments of the first call, and around the call: a format without
// kind and triggers.
ToolFormat CutJsonCall(const CallRenderings& rendered, const JsonCallSpan& call);

}  // namespace infe::chat
