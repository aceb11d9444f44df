#include "answer/template_names.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include <fmt/format.h>

namespace infe::answer {
namespace {

constexpr std::array<std::string_view, 7> kEffortNames{"none", "minimal", "low", "medium",
                                                       "high", "xhigh",   "max"};

bool IsNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool IsNamePart(char c) {
  return IsNameStart(c) || (c >= '0' && c <= '9');
}

// The inside of one tag.
void CollectNames(std::string_view tag, std::vector<std::string>& names) {
  for (size_t i = 0; i < tag.size();) {
    const char c = tag[i];
    if (c == '"' || c == '\'') {
      for (++i; i < tag.size() && tag[i] != c; ++i) i += tag[i] == '\\' ? 1 : 0;
      ++i;
    } else if (IsNamePart(c)) {
      const size_t begin = i;
      while (i < tag.size() && IsNamePart(tag[i])) ++i;
      const bool member = begin > 0 && tag[begin - 1] == '.';
      if (!member && IsNameStart(c)) names.emplace_back(tag.substr(begin, i - begin));
    } else {
      ++i;
    }
  }
}

bool Takes(const chat::PromptRenderer& renderer, Effort effort) {
  chat::PromptRequest conversation;
  conversation.messages.emplace_back().content = "hi";
  conversation.variables = Json::Object{{std::string(kEffortVariable), Name(effort)}};
  return renderer.Render(conversation).has_value();
}

// Whether the template knows the word for itself, as a text of its own.
bool Quotes(std::string_view source, std::string_view word) {
  return source.find(fmt::format("'{}'", word)) != std::string_view::npos ||
         source.find(fmt::format("\"{}\"", word)) != std::string_view::npos;
}

}  // namespace

std::string_view Name(Effort effort) {
  return kEffortNames[static_cast<size_t>(effort)];
}

std::vector<std::string> TemplateNames(std::string_view source) {
  std::vector<std::string> names;
  for (size_t at = source.find('{'); at != std::string_view::npos && at + 1 < source.size();
       at = source.find('{', at)) {
    const char kind = source[at + 1];
    if (kind != '{' && kind != '%') {
      ++at;
      continue;
    }
    const std::string_view close = kind == '{' ? "}}" : "%}";
    const size_t end = std::min(source.find(close, at + 2), source.size());
    CollectNames(source.substr(at + 2, end - at - 2), names);
    at = end;
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::vector<Effort> EffortsOf(std::string_view source, const chat::PromptRenderer& renderer) {
  const std::vector<std::string> names = TemplateNames(source);
  std::vector<Effort> taken;
  if (!std::binary_search(names.begin(), names.end(), kEffortVariable)) return taken;
  for (size_t i = 0; i < kEffortNames.size(); ++i) {
    const auto effort = static_cast<Effort>(i);
    const bool usual = effort >= Effort::kLow && effort <= Effort::kHigh;
    if ((usual || Quotes(source, kEffortNames[i])) && Takes(renderer, effort))
      taken.push_back(effort);
  }
  return taken;
}

Effort Nearest(const std::vector<Effort>& efforts, Effort wanted) {
  const auto distance = [wanted](Effort effort) {
    return std::abs(static_cast<int>(effort) - static_cast<int>(wanted));
  };
  return *std::min_element(efforts.begin(), efforts.end(),
                           [&](Effort a, Effort b) { return distance(a) < distance(b); });
}

}  // namespace infe::answer
