#include "api/anthropic/cut_json.h"

#include <cstddef>

#include "base/json.h"

namespace infe::api::anthropic {
namespace {

constexpr JsonLimits kLimits{.depth = 100, .allow_duplicate_keys = true};

// The end of the string that begins at `at` with its quote, behind the closing one; or npos.
size_t StringEnd(std::string_view text, size_t at) {
  for (size_t i = at + 1; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      return i + 1;
  }
  return std::string_view::npos;
}

// Reads a cut text once and remembers the last place where every value was whole.
class CutReader {
 public:
  explicit CutReader(std::string_view text) : text_(text) {}

  std::string Close() {
    for (size_t i = 0; i < text_.size();) {
      const size_t next = Step(i);
      if (next == std::string_view::npos) break;
      i = next;
    }
    std::string out(text_.substr(0, whole_));
    for (size_t i = whole_open_.size(); i-- > 0;) out += whole_open_[i] == '{' ? '}' : ']';
    return out;
  }

 private:
  bool InObject() const { return !open_.empty() && open_.back() == '{'; }
  void Whole(size_t end) {
    whole_ = end;
    whole_open_ = open_;
  }
  // Behind the token at i; npos: the text ends inside it.
  size_t Step(size_t i) {
    const char c = text_[i];
    switch (c) {
      case ' ':
      case '\t':
      case '\n':
      case '\r':
        return i + 1;
      case ',':
        is_key_ = InObject();
        return i + 1;
      case ':':
        is_key_ = false;
        return i + 1;
      case '{':
      case '[':
        open_ += c;
        is_key_ = c == '{';
        Whole(i + 1);
        return i + 1;
      case '}':
      case ']':
        if (open_.empty()) return std::string_view::npos;
        open_.pop_back();
        Whole(i + 1);
        return i + 1;
      case '"': {
        const size_t end = StringEnd(text_, i);
        if (end != std::string_view::npos && !is_key_) Whole(end);
        return end;
      }
      default: {
        const size_t end = text_.find_first_of(" \t\n\r,:{}[]\"", i);
        if (end != std::string_view::npos) Whole(end);
        return end;
      }
    }
  }

  const std::string_view text_;
  std::string open_;  // brackets, outermost first
  bool is_key_ = false;
  size_t whole_ = 0;
  std::string whole_open_;  // what was open there
};

}  // namespace

std::string InputObject(std::string_view arguments) {
  const auto is_object = [](std::string_view text) {
    const Result<Json> parsed = ParseJson(text, kLimits);
    return parsed && parsed->is_object();
  };
  if (is_object(arguments)) return std::string(arguments);
  std::string closed = CutReader(arguments).Close();
  return is_object(closed) ? closed : "{}";
}

}  // namespace infe::api::anthropic
