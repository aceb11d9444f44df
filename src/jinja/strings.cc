#include "jinja/strings.h"

#include <algorithm>
#include <cstring>

#include "base/utf8.h"
#include "jinja/error.h"
#include "jinja/unicode.h"

namespace infe::jinja {
namespace {

// Calls visit(begin, end, code, trusted) for each character.
template <typename Visit>
void ForEachCharacter(const Text& text, Visit visit) {
  const std::string_view bytes = text.view();
  text.ForEachRange(0, bytes.size(), [&](size_t begin, size_t end, bool trusted) {
    for (size_t at = begin; at < end;) {
      const size_t start = at;
      const uint32_t code = DecodeUtf8(bytes, at);
      SpendTicks(kTurnTicks);
      visit(start, at, code, trusted);
    }
  });
}

Text MapCharacters(const Text& text,
                   void (*append)(std::string&, std::string_view, size_t, uint32_t)) {
  TextBuilder builder;
  ForEachCharacter(text, [&](size_t begin, size_t, uint32_t code, bool trusted) {
    std::string mapped;
    append(mapped, text.view(), begin, code);
    builder.Append(mapped, trusted);
  });
  return builder.Take().AsMarkup(text.is_markup());
}

void LowerAt(std::string& out, std::string_view text, size_t at, uint32_t) {
  AppendLower(out, text, at);
}

// Start of the character that ends at `end`.
size_t PreviousCharacter(std::string_view bytes, size_t end) {
  size_t begin = end - 1;
  while (begin > 0 && (bytes[begin] & 0xC0) == 0x80) --begin;
  return begin;
}

bool SpaceAt(std::string_view bytes, size_t begin) {
  SpendTicks(kTurnTicks);
  return IsSpace(DecodeUtf8(bytes, begin));
}

bool IsLineBreak(uint32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

std::vector<uint32_t> CodePoints(std::string_view bytes) {
  std::vector<uint32_t> out;
  for (size_t at = 0; at < bytes.size();) out.push_back(DecodeUtf8(bytes, at));
  return out;
}

Value Piece(const Text& text, size_t begin, size_t end) {
  SpendTicks(kTicksPerStep);
  return Value::String(begin < end ? text.Slice(begin, end) : Text().AsMarkup(text.is_markup()));
}

Values SplitWhitespace(const Text& text, int64_t splits_max) {
  Values out;
  const std::string_view bytes = text.view();
  size_t at = 0;
  for (;;) {
    while (at < bytes.size() && SpaceAt(bytes, at)) DecodeUtf8(bytes, at);
    if (at >= bytes.size()) return out;
    if (splits_max >= 0 && static_cast<int64_t>(out.size()) == splits_max) {
      out.push_back(Piece(text, at, bytes.size()));
      return out;
    }
    const size_t begin = at;
    while (at < bytes.size() && !SpaceAt(bytes, at)) DecodeUtf8(bytes, at);
    out.push_back(Piece(text, begin, at));
  }
}

Values SplitWhitespaceFromRight(const Text& text, int64_t splits_max) {
  Values out;
  const std::string_view bytes = text.view();
  size_t end = bytes.size();
  for (;;) {
    while (end > 0 && SpaceAt(bytes, PreviousCharacter(bytes, end)))
      end = PreviousCharacter(bytes, end);
    if (end == 0) break;
    if (splits_max >= 0 && static_cast<int64_t>(out.size()) == splits_max) {
      out.push_back(Piece(text, 0, end));
      break;
    }
    size_t begin = end;
    while (begin > 0 && !SpaceAt(bytes, PreviousCharacter(bytes, begin)))
      begin = PreviousCharacter(bytes, begin);
    out.push_back(Piece(text, begin, end));
    end = begin;
  }
  std::reverse(out.begin(), out.end());
  return out;
}

// Byte range of characters [start, end) by Python's rules for negative and large bounds; first is
// past the end when the range is inverted.
std::pair<size_t, size_t> ByteRange(const Text& text, int64_t start, int64_t end) {
  const auto count = static_cast<int64_t>(text.CharacterCount());
  const auto clamp = [&](int64_t at) { return at < 0 ? std::max<int64_t>(at + count, 0) : at; };
  start = clamp(start);
  end = std::min(clamp(end), count);
  if (start > end) return {1, 0};
  return {text.ByteOffset(static_cast<size_t>(start)), text.ByteOffset(static_cast<size_t>(end))};
}

}  // namespace

size_t FindFirst(std::string_view text, std::string_view part, size_t at) {
  if (at > text.size() || part.size() > text.size() - at) return std::string_view::npos;
  if (part.empty()) return at;
  const size_t last = text.size() - part.size();
  while (at <= last) {
    const void* const hit = std::memchr(text.data() + at, part[0], last - at + 1);
    const size_t found = hit == nullptr
                             ? last + 1
                             : static_cast<size_t>(static_cast<const char*>(hit) - text.data());
    SpendTicks(kTurnTicks + (found - at) / 4 + part.size() / 8);
    if (hit == nullptr) break;
    if (text.substr(found, part.size()) == part) return found;
    at = found + 1;
  }
  return std::string_view::npos;
}

size_t FindLast(std::string_view text, std::string_view part) {
  if (part.size() > text.size()) return std::string_view::npos;
  if (part.empty()) return text.size();
  size_t end = text.size() - part.size() + 1;  // past the last place where it may begin
  while (end > 0) {
    const size_t found = text.rfind(part[0], end - 1);
    const size_t stop = found == std::string_view::npos ? 0 : found;
    SpendTicks(kTurnTicks + 2 * (end - stop) + part.size() / 8);
    if (found == std::string_view::npos) break;
    if (text.substr(found, part.size()) == part) return found;
    end = found;
  }
  return std::string_view::npos;
}

Text Upper(const Text& text) {
  return MapCharacters(text, [](std::string& out, std::string_view, size_t, uint32_t code) {
    AppendUpper(out, code);
  });
}

Text Lower(const Text& text) {
  return MapCharacters(text, LowerAt);
}

Text Capitalize(const Text& text) {
  return MapCharacters(text,
                       [](std::string& out, std::string_view bytes, size_t at, uint32_t code) {
                         if (at == 0) {
                           AppendTitle(out, code);
                         } else {
                           AppendLower(out, bytes, at);
                         }
                       });
}

Text SwapCase(const Text& text) {
  return MapCharacters(text,
                       [](std::string& out, std::string_view bytes, size_t at, uint32_t code) {
                         if (IsUpper(code)) {
                           AppendLower(out, bytes, at);
                         } else if (IsLower(code)) {
                           AppendUpper(out, code);
                         } else {
                           AppendUtf8(out, code);
                         }
                       });
}

Text TitleCase(const Text& text) {
  TextBuilder builder;
  bool previous_cased = false;
  ForEachCharacter(text, [&](size_t begin, size_t, uint32_t code, bool trusted) {
    std::string mapped;
    if (previous_cased) {
      AppendLower(mapped, text.view(), begin);
    } else {
      AppendTitle(mapped, code);
    }
    previous_cased = IsCased(code);
    builder.Append(mapped, trusted);
  });
  return builder.Take().AsMarkup(text.is_markup());
}

Text TitleWords(const Text& text) {
  TextBuilder builder;
  const auto is_border = [](uint32_t c) {
    return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || IsSpace(c);
  };
  const std::string_view bytes = text.view();
  // Words and runs of borders alike: first character upper, the rest lower as a text of its own.
  for (size_t at = 0; at < bytes.size();) {
    const size_t begin = at;
    const bool border = is_border(DecodeUtf8(bytes, at));
    while (at < bytes.size()) {
      size_t next = at;
      if (is_border(DecodeUtf8(bytes, next)) != border) break;
      at = next;
    }
    size_t rest = begin;
    DecodeUtf8(bytes, rest);
    builder.Append(Upper(text.Slice(begin, rest)));
    if (rest < at) builder.Append(Lower(text.Slice(rest, at)));
  }
  return builder.Take();
}

Text Reversed(const Text& text) {
  std::vector<size_t> starts;
  ForEachCharacter(text, [&](size_t begin, size_t, uint32_t, bool) { starts.push_back(begin); });
  TextBuilder builder;
  size_t end = text.size();
  for (size_t i = starts.size(); i-- > 0;) {
    builder.Append(text, starts[i], end);
    end = starts[i];
  }
  return builder.Take().AsMarkup(text.is_markup());
}

Text Strip(const Text& text, Sides sides, const std::optional<Text>& chars) {
  const std::string_view bytes = text.view();
  const std::vector<uint32_t> set = chars ? CodePoints(chars->view()) : std::vector<uint32_t>();
  const auto goes = [&](size_t at) {
    SpendTicks(kTurnTicks + set.size());
    const uint32_t c = DecodeUtf8(bytes, at);
    return chars ? std::find(set.begin(), set.end(), c) != set.end() : IsSpace(c);
  };
  size_t begin = 0;
  size_t end = bytes.size();
  if (sides != Sides::kRight)
    while (begin < end && goes(begin)) DecodeUtf8(bytes, begin);
  if (sides != Sides::kLeft)
    while (end > begin && goes(PreviousCharacter(bytes, end))) end = PreviousCharacter(bytes, end);
  return begin < end ? text.Slice(begin, end) : Text().AsMarkup(text.is_markup());
}

Values Split(const Text& text, const std::optional<Text>& separator, int64_t splits_max) {
  if (!separator) return SplitWhitespace(text, splits_max);
  if (separator->empty()) Fail("empty separator");
  Values out;
  const std::string_view bytes = text.view();
  size_t at = 0;
  while (splits_max < 0 || static_cast<int64_t>(out.size()) < splits_max) {
    const size_t found = FindFirst(bytes, separator->view(), at);
    if (found == std::string_view::npos) break;
    out.push_back(Piece(text, at, found));
    at = found + separator->size();
  }
  out.push_back(Piece(text, at, bytes.size()));
  return out;
}

Values SplitFromRight(const Text& text, const std::optional<Text>& separator, int64_t splits_max) {
  if (!separator) return SplitWhitespaceFromRight(text, splits_max);
  if (separator->empty()) Fail("empty separator");
  Values out;
  const std::string_view bytes = text.view();
  size_t end = bytes.size();
  while (splits_max < 0 || static_cast<int64_t>(out.size()) < splits_max) {
    if (end < separator->size()) break;
    const size_t found = FindLast(bytes.substr(0, end), separator->view());
    if (found == std::string_view::npos) break;
    out.push_back(Piece(text, found + separator->size(), end));
    end = found;
  }
  out.push_back(Piece(text, 0, end));
  std::reverse(out.begin(), out.end());
  return out;
}

Values SplitLines(const Text& text, bool keep_ends) {
  Values out;
  const std::string_view bytes = text.view();
  size_t begin = 0;
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = at;
    const uint32_t c = DecodeUtf8(bytes, at);
    SpendTicks(kTurnTicks / 2);
    if (!IsLineBreak(c)) continue;
    if (c == '\r' && at < bytes.size() && bytes[at] == '\n') ++at;
    out.push_back(Piece(text, begin, keep_ends ? at : end));
    begin = at;
  }
  if (begin < bytes.size()) out.push_back(Piece(text, begin, bytes.size()));
  return out;
}

Values Partition(const Text& text, const Text& separator, bool from_right) {
  if (separator.empty()) Fail("empty separator");
  const std::string_view bytes = text.view();
  const size_t found =
      from_right ? FindLast(bytes, separator.view()) : FindFirst(bytes, separator.view(), 0);
  if (found == std::string_view::npos) {
    const Value whole = Value::String(text);
    const Value none = Value::String({});
    return from_right ? Values{none, none, whole} : Values{whole, none, none};
  }
  return {Piece(text, 0, found), Value::String(separator),
          Piece(text, found + separator.size(), bytes.size())};
}

Text Replace(Runtime& runtime, const Text& text, const Text& old_part, const Text& new_part,
             int64_t count) {
  const std::string_view bytes = text.view();
  runtime.ChargeBytes(bytes.size());
  TextBuilder builder;
  const auto insert = [&] {
    runtime.ChargeBytes(new_part.size());
    if (builder.size() + new_part.size() > runtime.options().output_bytes_max)
      FailLimit("a string of the template grows too long");
    builder.Append(new_part);
  };
  int64_t done = 0;
  size_t at = 0;
  if (old_part.empty()) {  // before every character and at the end
    for (; count < 0 || done < count; ++done) {
      insert();
      if (at >= bytes.size()) break;
      const size_t begin = at;
      DecodeUtf8(bytes, at);
      builder.Append(text, begin, at);
    }
  } else {
    for (; count < 0 || done < count; ++done) {
      const size_t found = FindFirst(bytes, old_part.view(), at);
      if (found == std::string_view::npos) break;
      builder.Append(text, at, found);
      insert();
      at = found + old_part.size();
    }
  }
  builder.Append(text, at, bytes.size());
  return builder.Take().AsMarkup(text.is_markup());
}

Text Pad(Runtime& runtime, const Text& text, Align align, int64_t width, const Text& fill) {
  const auto length = static_cast<int64_t>(text.CharacterCount());
  if (width <= length) return text;
  if (static_cast<uint64_t>(width) > runtime.options().output_bytes_max)
    FailLimit("a string of the template grows too long");
  const int64_t padding = width - length;
  runtime.ChargeBytes(static_cast<size_t>(padding) * fill.size());
  int64_t left = align == Align::kRight ? padding : 0;
  if (align == Align::kCenter) left = padding / 2 + (padding & width & 1);
  TextBuilder builder;
  for (int64_t i = 0; i < left; ++i) builder.Append(fill);
  builder.Append(text);
  for (int64_t i = left; i < padding; ++i) builder.Append(fill);
  return builder.Take().AsMarkup(text.is_markup());
}

Text ZeroFill(Runtime& runtime, const Text& text, int64_t width) {
  const bool sign = !text.empty() && (text.view()[0] == '+' || text.view()[0] == '-');
  const size_t body = sign ? 1 : 0;
  TextBuilder builder;
  builder.Append(text, 0, body);
  builder.Append(Pad(runtime, text.Slice(body, text.size()), Align::kRight,
                     width - static_cast<int64_t>(body), Text::Untrusted("0")));
  return builder.Take();
}

Text ExpandTabs(const Text& text, int64_t tab_size) {
  if (tab_size > 1000) FailLimit("expandtabs() takes at most 1000");
  TextBuilder builder;
  int64_t column = 0;
  ForEachCharacter(text, [&](size_t begin, size_t end, uint32_t code, bool trusted) {
    if (code == '\t') {
      const int64_t blanks = tab_size > 0 ? tab_size - column % tab_size : 0;
      builder.Append(std::string(static_cast<size_t>(blanks), ' '), trusted);
      column += blanks;
      return;
    }
    column = code == '\n' || code == '\r' ? 0 : column + 1;
    builder.Append(text, begin, end);
  });
  return builder.Take();
}

int64_t Find(const Text& text, const Text& part, int64_t start, int64_t end, bool last) {
  const auto [from, to] = ByteRange(text, start, end);
  if (from > to) return -1;
  const std::string_view bytes = text.view().substr(from, to - from);
  const size_t found = last ? FindLast(bytes, part.view()) : FindFirst(bytes, part.view(), 0);
  if (found == std::string_view::npos) return -1;
  return static_cast<int64_t>(text.Slice(0, from + found).CharacterCount());
}

int64_t Count(const Text& text, const Text& part, int64_t start, int64_t end) {
  const auto [from, to] = ByteRange(text, start, end);
  if (from > to) return 0;
  if (part.empty()) return static_cast<int64_t>(text.Slice(from, to).CharacterCount()) + 1;
  const std::string_view bytes = text.view().substr(from, to - from);
  int64_t count = 0;
  for (size_t at = 0; (at = FindFirst(bytes, part.view(), at)) != std::string_view::npos;
       at += part.size())
    ++count;
  return count;
}

bool AllCharacters(const Text& text, bool (*test)(uint32_t)) {
  bool all = !text.empty();
  ForEachCharacter(text, [&](size_t, size_t, uint32_t code, bool) { all = all && test(code); });
  return all;
}

bool IsLowerText(const Text& text) {
  bool cased = false;
  bool other = false;
  ForEachCharacter(text, [&](size_t, size_t, uint32_t code, bool) {
    cased = cased || IsLower(code);
    other = other || IsUpper(code) || IsTitle(code);
  });
  return cased && !other;
}

bool IsUpperText(const Text& text) {
  bool cased = false;
  bool other = false;
  ForEachCharacter(text, [&](size_t, size_t, uint32_t code, bool) {
    cased = cased || IsUpper(code);
    other = other || IsLower(code) || IsTitle(code);
  });
  return cased && !other;
}

bool IsTitleText(const Text& text) {
  bool cased = false;
  bool previous_cased = false;
  bool ok = true;
  ForEachCharacter(text, [&](size_t, size_t, uint32_t code, bool) {
    if (IsUpper(code) || IsTitle(code)) {
      ok = ok && !previous_cased;
      cased = previous_cased = true;
    } else if (IsLower(code)) {
      ok = ok && previous_cased;
      cased = previous_cased = true;
    } else {
      previous_cased = false;
    }
  });
  return ok && cased;
}

}  // namespace infe::jinja
