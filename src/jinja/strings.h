// Python's str methods on Text, origins kept. Widths and positions count characters.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "jinja/runtime.h"
#include "jinja/text.h"

namespace infe::jinja {

Text Upper(const Text& text);
Text Lower(const Text& text);
Text Capitalize(const Text& text);
Text TitleCase(const Text& text);   // str.title
Text TitleWords(const Text& text);  // the filter `title`
Text SwapCase(const Text& text);
Text Reversed(const Text& text);

enum class Sides { kLeft, kRight, kBoth };
// chars: the characters to strip; unset: whitespace.
Text Strip(const Text& text, Sides sides, const std::optional<Text>& chars);

// separator unset: runs of whitespace. splits_max < 0: no bound. An empty separator fails.
Values Split(const Text& text, const std::optional<Text>& separator, int64_t splits_max);
Values SplitFromRight(const Text& text, const std::optional<Text>& separator, int64_t splits_max);
Values SplitLines(const Text& text, bool keep_ends);
// {before, separator, after}
Values Partition(const Text& text, const Text& separator, bool from_right);

// count < 0: all.
Text Replace(Runtime& runtime, const Text& text, const Text& old_part, const Text& new_part,
             int64_t count);
enum class Align { kLeft, kRight, kCenter };
Text Pad(Runtime& runtime, const Text& text, Align align, int64_t width, const Text& fill);
Text ZeroFill(Runtime& runtime, const Text& text, int64_t width);
Text ExpandTabs(const Text& text, int64_t tab_size);

// std::string_view's find and rfind, which cost their product at worst and are charged for it here.
size_t FindFirst(std::string_view text, std::string_view part, size_t at);
size_t FindLast(std::string_view text, std::string_view part);

// Character position of the first or last occurrence within characters [start, end); -1: none.
int64_t Find(const Text& text, const Text& part, int64_t start, int64_t end, bool last);
int64_t Count(const Text& text, const Text& part, int64_t start, int64_t end);

// Whether the text has a character and all of them pass.
bool AllCharacters(const Text& text, bool (*test)(uint32_t));
bool IsLowerText(const Text& text);
bool IsUpperText(const Text& text);
bool IsTitleText(const Text& text);

}  // namespace infe::jinja
