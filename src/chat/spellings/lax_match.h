// Marks of several words and tags, found in a model's text whatever blanks it puts between them.
#pragma once

#include <cstdint>
#include <string_view>

namespace infe::chat {

enum class LaxMatch : uint8_t { kNo, kPartial, kWhole };

// Whether the text is the mark, or may become it, blanks aside. An empty mark matches nothing.
LaxMatch MatchLax(std::string_view text, std::string_view mark);

}  // namespace infe::chat
