// Literals of other languages, byte by byte to JSON: Python's dicts, lists, tuples and keyword
// arguments ('text', True, None), Gemma's objects (bare keys, texts between tokens without
// escapes). JSON itself is read as well.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chat/tool_format.h"

namespace infe::chat {

class LiteralReader {
 public:
  enum class Status : uint8_t { kMore, kDone, kFailed };

  // notation: its text_begin and text_end; outlives the reader.
  explicit LiteralReader(const ArgumentNotation& notation) : notation_(notation) {}

  // Begins with the inside of an object whose bracket, which ends with this byte, has been read.
  void OpenObject(char close);

  // kDone: c closed the value. kFailed: it is no literal.
  Status Feed(char c);
  // JSON since the last call.
  std::string Take() { return std::exchange(out_, {}); }

 private:
  enum class State : uint8_t { kValue, kKeyOrEnd, kKey, kColon, kText, kWord, kAfterValue };
  struct Level {
    char close = '}';
    bool is_object = true;
    bool has_members = false;
  };

  Status FeedKeyOrEnd(char c);
  Status FeedKey(char c);
  Status FeedValue(char c);
  Status FeedText(char c);
  void FeedEscape(char c);
  bool FeedCode(char c);
  Status FeedWord(char c);
  Status FeedAfterValue(char c);
  Status Open(char c);
  Status Close();
  void BeginMember();
  void BeginText(std::string end, bool escapes);
  Status EndValue();

  const ArgumentNotation& notation_;
  State state_ = State::kValue;
  std::vector<Level> open_;
  std::string out_;
  std::string held_;  // a key, a word, or what may become a mark
  std::string text_end_;
  bool text_is_key_ = false;
  bool escapes_ = false;             // in this text
  bool escaped_ = false;             // behind a backslash
  std::optional<std::string> code_;  // the digits so far behind \\u
};

// A whole literal of Python's as JSON; nullopt where it is none.
std::optional<std::string> JsonOfLiteral(std::string_view text);

}  // namespace infe::chat
