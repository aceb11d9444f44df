#include "chat/reasoning.h"

#include <algorithm>

namespace infe::chat {
namespace {

constexpr size_t kTagBytesMax = 64;

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::string_view TagAtBegin(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  if (text.empty() || (text.front() != '<' && text.front() != '[')) return {};
  const size_t close = text.find(text.front() == '<' ? '>' : ']');
  if (close == std::string_view::npos || close >= kTagBytesMax) return {};
  const std::string_view tag = text.substr(0, close + 1);
  return std::ranges::any_of(tag, IsBlank) ? std::string_view() : tag;
}

}  // namespace

std::string_view TagAtEnd(std::string_view text) {
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  size_t close = text.size();
  while (close > 0 && IsLetter(text[close - 1])) --close;
  if (close == 0 || (text[close - 1] != '>' && text[close - 1] != ']')) return {};
  const size_t open = text.rfind(text[close - 1] == '>' ? '<' : '[', close - 1);
  if (open == std::string_view::npos || text.size() - open > kTagBytesMax) return {};
  const std::string_view tag = text.substr(open);
  return std::ranges::any_of(tag, IsBlank) ? std::string_view() : tag;
}

std::optional<ReasoningTags> TagsAround(std::string_view text, std::string_view reasoning) {
  const size_t at = text.rfind(reasoning);
  if (at == std::string_view::npos) return std::nullopt;
  ReasoningTags tags{std::string(TagAtEnd(text.substr(0, at))),
                     std::string(TagAtBegin(text.substr(at + reasoning.size())))};
  if (tags.begin.empty() || tags.end.empty()) return std::nullopt;
  return tags;
}

}  // namespace infe::chat
