// Values as models write them outside of JSON, made JSON.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "chat/spellings/argument_types.h"

namespace infe::chat {

// Of the names of tools.
bool IsNameByte(char c);
// One byte of a text as it stands inside a JSON string.
std::string EscapedByte(char c);
// What was written where a value of one of these types stands: JSON as it is, True, False and None
// as Python writes them, the same inside lists and dicts, and a text of anything else.
std::string JsonOfWords(std::string_view written, JsonTypes allowed);
// JSON with the blanks that templates write: behind commas and colons.
std::string SpacedJson(const Json& value);

}  // namespace infe::chat
