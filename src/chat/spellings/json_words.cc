#include "chat/spellings/json_words.h"

#include <fmt/format.h>

#include "chat/spellings/call_renderings.h"
#include "chat/spellings/literal_reader.h"

namespace infe::chat {

bool IsNameByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.' || c == ':' || c == '/';
}

std::string EscapedByte(char c) {
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    case '\b':
      return "\\b";
    case '\f':
      return "\\f";
    default:
      break;
  }
  if (static_cast<unsigned char>(c) < 0x20) return fmt::format("\\u{:04x}", c);
  return std::string(1, c);
}

std::string JsonOfWords(std::string_view written, JsonTypes allowed) {
  const std::string value = Trimmed(written);
  if (const Result<Json> json = ParseJson(value); json && (TypeOf(*json) & allowed) != 0)
    return value;
  if (const std::optional<std::string> json = JsonOfLiteral(value)) {
    const Result<Json> parsed = ParseJson(*json);
    if (parsed && (TypeOf(*parsed) & allowed & ~kTextType) != 0) return *json;
  }
  std::string text = "\"";
  for (const char c : written) text += EscapedByte(c);
  return text + '"';
}

std::string SpacedJson(const Json& value) {
  std::string out;
  bool in_text = false, escaped = false;
  for (const char c : value.Dump()) {
    out += c;
    if (escaped) {
      escaped = false;
    } else if (in_text && c == '\\') {
      escaped = true;
    } else if (c == '"') {
      in_text = !in_text;
    } else if (!in_text && (c == ',' || c == ':')) {
      out += ' ';
    }
  }
  return out;
}

}  // namespace infe::chat
