#include "jinja/markup.h"

namespace infe::jinja {
namespace {

std::string_view Entity(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '\'':
      return "&#39;";
    case '"':
      return "&#34;";
    default:
      return {};
  }
}

}  // namespace

Text EscapeHtml(const Text& text) {
  if (text.is_markup()) return text;
  TextBuilder builder;
  const std::string_view bytes = text.view();
  text.ForEachRange(0, bytes.size(), [&](size_t begin, size_t end, bool trusted) {
    for (size_t i = begin; i < end; ++i) {
      const std::string_view entity = Entity(bytes[i]);
      builder.Append(entity.empty() ? bytes.substr(i, 1) : entity, trusted);
    }
  });
  return builder.Take().AsMarkup(true);
}

}  // namespace infe::jinja
