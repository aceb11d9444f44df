#include "chat/spellings/literal_reader.h"

#include "chat/spellings/call_renderings.h"
#include "chat/spellings/json_words.h"

namespace infe::chat {
namespace {

constexpr size_t kDepthMax = 200;      // brackets inside each other
constexpr size_t kWordBytesMax = 512;  // a key, a number

bool EndsWord(char c) {
  return IsBlank(c) || c == ',' || c == '}' || c == ']' || c == ')';
}

}  // namespace

void LiteralReader::OpenObject(char close) {
  open_.push_back({close, true, false});
  out_ += '{';
  state_ = State::kKeyOrEnd;
}

LiteralReader::Status LiteralReader::Feed(char c) {
  switch (state_) {
    case State::kValue:
      return FeedValue(c);
    case State::kKeyOrEnd:
      return FeedKeyOrEnd(c);
    case State::kKey:
      return FeedKey(c);
    case State::kColon:
      if (IsBlank(c)) return Status::kMore;
      state_ = State::kValue;
      return c == ':' || c == '=' ? Status::kMore : Status::kFailed;
    case State::kText:
      return FeedText(c);
    case State::kWord:
      return FeedWord(c);
    case State::kAfterValue:
      return FeedAfterValue(c);
  }
  return Status::kFailed;
}

void LiteralReader::BeginMember() {
  if (std::exchange(open_.back().has_members, true)) out_ += ", ";
}

void LiteralReader::BeginText(std::string end, bool escapes) {
  held_.clear();
  text_end_ = std::move(end);
  escapes_ = escapes;
  out_ += '"';
  state_ = State::kText;
}

LiteralReader::Status LiteralReader::FeedKeyOrEnd(char c) {
  if (IsBlank(c)) return Status::kMore;
  if (held_.empty() && c == open_.back().close) return Close();
  // A key between the marks of texts, in quotes, or bare.
  held_ += c;
  if (held_ == notation_.text_begin || held_ == "'" || held_ == "\"") {
    const bool marked = held_ == notation_.text_begin && held_.size() > 1;
    BeginMember();
    text_is_key_ = true;
    BeginText(marked ? notation_.text_end : held_, !marked);
    return Status::kMore;
  }
  if (notation_.text_begin.starts_with(held_)) return Status::kMore;
  state_ = State::kKey;
  return Status::kMore;
}

LiteralReader::Status LiteralReader::FeedKey(char c) {
  if (c != ':' && c != '=') {
    held_ += c;
    return held_.size() > kWordBytesMax || c == ',' || c == '}' ? Status::kFailed : Status::kMore;
  }
  BeginMember();
  out_ += Json(Trimmed(held_)).Dump() + ": ";
  held_.clear();
  state_ = State::kValue;
  return Status::kMore;
}

LiteralReader::Status LiteralReader::Open(char c) {
  if (open_.size() >= kDepthMax) return Status::kFailed;
  const bool is_object = c == '{';
  open_.push_back({is_object ? '}' : c == '[' ? ']' : ')', is_object, false});
  out_ += is_object ? '{' : '[';
  state_ = is_object ? State::kKeyOrEnd : State::kValue;
  return Status::kMore;
}

LiteralReader::Status LiteralReader::Close() {
  out_ += open_.back().is_object ? '}' : ']';
  open_.pop_back();
  return EndValue();
}

LiteralReader::Status LiteralReader::EndValue() {
  state_ = State::kAfterValue;
  return open_.empty() ? Status::kDone : Status::kMore;
}

LiteralReader::Status LiteralReader::FeedValue(char c) {
  if (held_.empty() && IsBlank(c)) return Status::kMore;
  if (held_.empty()) {
    const bool in_list = !open_.empty() && !open_.back().is_object;
    if (in_list && c == open_.back().close) return Close();
    if (in_list) BeginMember();
    if (c == '{' || c == '[' || c == '(') return Open(c);
  }
  held_ += c;
  if (held_ == "'" || held_ == "\"") {
    BeginText(held_, true);
  } else if (held_ == notation_.text_begin) {
    BeginText(notation_.text_end, false);
  } else if (!notation_.text_begin.starts_with(held_)) {
    state_ = State::kWord;
    const std::string word = std::exchange(held_, {});
    for (const char w : word)
      if (const Status status = FeedWord(w); status != Status::kMore) return status;
  }
  return Status::kMore;
}

// Behind a backslash.
void LiteralReader::FeedEscape(char c) {
  escaped_ = false;
  if (c == 'u') {
    code_.emplace();
  } else if (c == '\'') {
    out_ += '\'';
  } else if (std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos) {
    out_ += '\\';
    out_ += c;
  } else {  // Python keeps a backslash that escapes nothing
    out_ += "\\\\" + EscapedByte(c);
  }
}

// Whether c belongs to the four digits behind \u. What has fewer is no escape.
bool LiteralReader::FeedCode(char c) {
  const bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  if (digit) *code_ += c;
  if (digit && code_->size() < 4) return true;
  out_ += (digit ? "\\u" : "\\\\u") + *code_;
  code_.reset();
  return digit;
}

LiteralReader::Status LiteralReader::FeedText(char c) {
  if (code_ && FeedCode(c)) return Status::kMore;
  if (escaped_) {
    FeedEscape(c);
    return Status::kMore;
  }
  if (escapes_ && c == '\\') {
    escaped_ = true;
    return Status::kMore;
  }
  held_ += c;
  while (!held_.empty()) {
    if (held_ == text_end_) {
      held_.clear();
      out_ += '"';
      if (!std::exchange(text_is_key_, false)) return EndValue();
      out_ += ": ";
      state_ = State::kColon;
      return Status::kMore;
    }
    if (text_end_.starts_with(held_)) return Status::kMore;
    out_ += EscapedByte(held_.front());
    held_.erase(0, 1);
  }
  return Status::kMore;
}

LiteralReader::Status LiteralReader::FeedWord(char c) {
  if (!EndsWord(c)) {
    held_ += c;
    return held_.size() > kWordBytesMax ? Status::kFailed : Status::kMore;
  }
  const std::string word = std::exchange(held_, {});
  if (word.empty()) return Status::kFailed;
  if (word == "True" || word == "true") {
    out_ += "true";
  } else if (word == "False" || word == "false") {
    out_ += "false";
  } else if (word == "None" || word == "null") {
    out_ += "null";
  } else {
    const Result<Json> number = ParseJson(word);
    out_ += number && number->is_number() ? word : Json(word).Dump();
  }
  if (const Status status = EndValue(); status == Status::kDone) return status;
  return FeedAfterValue(c);
}

LiteralReader::Status LiteralReader::FeedAfterValue(char c) {
  if (IsBlank(c)) return Status::kMore;
  if (open_.empty()) return Status::kFailed;
  if (c == open_.back().close) return Close();
  if (c != ',') return Status::kFailed;
  state_ = open_.back().is_object ? State::kKeyOrEnd : State::kValue;
  return Status::kMore;
}

std::optional<std::string> JsonOfLiteral(std::string_view text) {
  const ArgumentNotation python{.text_begin = "'", .text_end = "'"};
  LiteralReader reader(python);
  std::string json;
  bool done = false;
  // A word is ended by what follows it.
  for (const char c : std::string(text) + " ") {
    if (done) {
      if (!IsBlank(c)) return std::nullopt;
      continue;
    }
    const LiteralReader::Status status = reader.Feed(c);
    if (status == LiteralReader::Status::kFailed) return std::nullopt;
    json += reader.Take();
    done = status == LiteralReader::Status::kDone;
  }
  return done ? std::optional(json) : std::nullopt;
}

}  // namespace infe::chat
